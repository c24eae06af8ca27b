# Clients that go away in the middle of a download, or of the handshake, leave nothing behind: no connection, no busy
# worker, no growing memory, no leak at the end.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(wait_for have_module is_asan is_valgrind);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(slurp);
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(modules => [have_module('http2') ? 'http2' : ()], listen => ['https', 'plain'], config => <<'END');
Timeout 10
ExtendedStatus on
<Location /server-status>
    SetHandler server-status
</Location>
Protocols h2 http/1.1
<VirtualHost 127.0.0.1:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
END
my $size = 5_000_000;
$h->file('htdocs/big.txt', 'x' x $size);
$h->cgi('endless', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec head -c 20000000 /dev/zero\n");
$h->start or BAIL_OUT($h->why);
my $port = $h->port('https');
my @family = $h->pids;

# Connections of the server's side that somebody still holds open.
sub held {
    my $mine = sprintf ':%04X', $port;
    my @open;
    for my $line (split /\n/, slurp('/proc/net/tcp')) {
        my ($local, undef, $state) = (split ' ', $line)[1 .. 3];
        push @open, $state if defined $local && $local =~ /\Q$mine\E$/ && $state !~ /^(?:06|0A|st)$/;    # TIME_WAIT, LISTEN
    }
    return @open;
}

my $seed = $ENV{MODSSL_SEED} || 20240917;
srand $seed;
note "MODSSL_SEED=$seed";

sub aborted_download {
    my ($round) = @_;
    my $w = ModSSL::Wire->new(port => $port, version => (rand() < 0.5 ? '1.2' : '1.3'));
    if (!$w) {
        fail("round $round: connect");
        return;
    }
    if (rand() < 0.1) {
        my $hello = $w->hello;
        $w->put_raw(substr $hello, 0, int rand(1 + length $hello));
    }
    else {
        $w->handshake or return fail("round $round: handshake");
        my $path = rand() < 0.2 ? '/cgi/endless' : '/big.txt';
        $w->put("GET $path HTTP/1.1\r\nHost: rsa.test\r\n\r\n" x (1 + int rand 2));
        my $until = int rand(rand() < 0.5 ? 40_000 : 2_000_000);
        my $got = 0;
        while ($got < $until && $w->fill(10)) {
            $w->drain;
            $got += length $w->plain;
        }
    }
    my $way = rand;
    $w->goodbye if $way < 0.3;
    $way < 0.6 ? $w->close : $w->abort;
    return;
}

aborted_download($_) for 1 .. 100;
ok(wait_for(20, sub { !held() }), 'no connection left after 100 aborted downloads') or diag join ' ', held();
my $before = $h->rss;
aborted_download($_) for 101 .. 400;
ok(wait_for(20, sub { !held() }), 'no connection left after 300 more') or diag join ' ', held();
my $growth = $h->rss - $before;
SKIP: {
    skip 'a sanitizer keeps freed memory', 1 if is_asan() || is_valgrind();
    skip 'prefork starts and ends processes meanwhile', 1 if ModSSL::Httpd::mpm() eq 'prefork';
    # an SSL object with its buffers is about 40 kB: 300 of them would be 12 MB
    cmp_ok($growth, '<', 7000, 'memory does not grow with aborted connections') or diag "$growth kB";
}

SKIP: {
    skip 'no HTTP/2', 1 if !have_module('http2') || ModSSL::Httpd::mpm() eq 'prefork';
    for (1 .. 20) {
        my $some = 1 + int rand 1_000_000;
        system("curl -q -s -k -m 60 --http2 https://127.0.0.1:$port/big.txt 2>/dev/null | head -c $some >/dev/null");
    }
    ok(wait_for(20, sub { !held() }), 'no connection left after aborted h2 downloads') or diag join ' ', held();
}

# A worker may still be putting its connection away that the kernel has closed.
my $busy;
wait_for(10, sub {
    my (undef, undef, $status) = curl('http://127.0.0.1:' . $h->port('plain') . '/server-status?auto');
    ($busy) = $status =~ /^BusyWorkers: (\d+)/m;
    return ($busy || 0) == 1;
});
is($busy, 1, 'no worker is busy but the one that tells');

my ($code, undef, $body) = curl(resolve('rsa.test', $port), "https://rsa.test:$port/big.txt");
is(length $body, $size, 'a whole download works');
push @family, $h->pids;

my $main = $h->pid;
kill 'WINCH', $main;
ok(wait_for(is_valgrind() ? 100 : is_asan() ? 60 : 20, sub { $h->reaped }), 'graceful stop');
unlike($h->errorlog, qr/segmentation fault|BUG|exit signal/i, 'error log');
SKIP: {
    skip 'reports of a sanitizer (make asan)', 2 if !is_asan();
    my $where = $ENV{MODSSL_ASAN_LOG} || '/tmp/modssl-asan';
    # What lives as long as the process is reported as well (httpd's allocators, contexts kept for the next start):
    # a leak of connections is one of hundreds of objects.
    my $reports = join '', map { slurp($_) } map { glob "$where/*san.$_" } @family;
    my @leaks = grep { /in (\d+) object/ && $1 >= 50 } $reports =~ /^(Direct leak of .*)$/mg;
    is("@leaks", '', 'no leak that grows with the connections');
    unlike($reports, qr/ERROR: AddressSanitizer|runtime error:/, 'no error seen by the sanitizer');
}
done_testing;
