# 500 clients at the same time, each with several requests, all get their answers: HTTP/1.1 and h2, small and large
# pages, with the contents compared.
use strict;
use warnings;
use File::Temp ();
use POSIX ();
use Test::More;
use ModSSL::Httpd qw(have_module mpm);
use ModSSL::Client qw(:all);

my $h2 = have_module('http2') && mpm() ne 'prefork';
# A process with as many workers as there are clients: an MPM that runs short of them ends keep-alive connections, and h2load counts that as errors.
my $clients = mpm() eq 'prefork' ? 100 : 500;
my $size = mpm() eq 'prefork'
    ? "ServerLimit 150\nMaxRequestWorkers 150\n"
    : "ThreadLimit 640\nServerLimit 1\nThreadsPerChild 640\nMaxRequestWorkers 640\nMaxSpareThreads 640\n";
my $h = ModSSL::Httpd->new(modules => [$h2 ? 'http2' : ()], config => ($h2 ? "Protocols h2 http/1.1\n" : '') . $size . <<'END');
ListenBacklog 1024
KeepAliveTimeout 20
MaxKeepAliveRequests 0
SSLSessionCache shmcb:@root@/run/scache(512000)
SSLEngine on
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
END
my $small = 'x' x 700;
my $large = join '', map { sprintf "%07d\n", $_ } 1 .. 12_500;
$h->file('htdocs/small.txt', $small);
$h->file('htdocs/large.txt', $large);
$h->start or BAIL_OUT($h->why);
my $port = $h->port;

# h2load counts; the bytes of data tell that bodies were complete.
sub h2load {
    my ($name, $clients, $requests, $file, @args) = @_;
    my $size = -s $h->htdocs . "/$file";
    my $out = `timeout 100 h2load -c $clients -n $requests @args https://127.0.0.1:$port/$file 2>&1`;
    like($out, qr/$requests succeeded, 0 failed, 0 errored, 0 timeout/, "$name: all succeed") or diag $out;
    like($out, qr/status codes: $requests 2xx/, "$name: status");
    my ($bytes) = $out =~ /\((\d+)\) data$/m;
    is($bytes, $requests * $size, "$name: bytes") or diag $out;
    return;
}

h2load("$clients clients, HTTP/1.1", $clients, 5 * $clients, 'small.txt', '--h1');
h2load('100 clients, HTTP/1.1, large', 100, 500, 'large.txt', '--h1');
SKIP: {
    skip 'no HTTP/2', 6 if !$h2;
    h2load("$clients clients, h2", $clients, 5 * $clients, 'small.txt', '-m', 5);
    h2load('100 clients, h2, large', 100, 500, 'large.txt', '-m', 5);
}

# Processes with 25 connections each that are all open before the first request is sent; two requests on each, in
# turn, so that every connection has others between its own.
my @children;
for my $child (1 .. $clients / 25) {
    my $pid = open my $fh, '-|';
    defined $pid or BAIL_OUT("fork: $!");
    if (!$pid) {
        my (@socks, $good);
        for my $n (1 .. 25) {
            push @socks, raw_connect($port, timeout => 60);
        }
        @socks = map { $_ && start_tls($_) } @socks;
        for my $path ('/small.txt', '/large.txt') {
            for my $s (grep { $_ } @socks) {
                my $r = http_get($s, $path, 'localhost', $path =~ /large/ ? (close => 1) : ());
                $good++ if $r && $r->{status} == 200 && $r->{body} eq ($path =~ /large/ ? $large : $small);
                $s->close if $path =~ /large/;
            }
        }
        print $good // 0;
        close STDOUT;
        POSIX::_exit(0);
    }
    push @children, $fh;
}
my $good = 0;
$good += do { local $/; readline($_) } || 0 for @children;
is($good, 2 * $clients, "$clients connections at once: all contents are right");

ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
