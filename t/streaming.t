# What a handler flushes leaves at once. The CGI writes its next piece only after the client has seen the one before,
# so a single byte that is kept back stops the exchange.
use strict;
use warnings;
use IO::Select;
use POSIX ();
use Test::More;
use ModSSL::Httpd qw(have_module wait_for);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(spew);
use ModSSL::Wire;
use Time::HiRes qw(time);

my $h = ModSSL::Httpd->new(modules => [have_module('http2') ? 'http2' : ()], config => <<'END');
Protocols h2 http/1.1
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
my $signals = $h->root . '/signals';
mkdir $signals;
chmod 0777, $signals;

# Sizes about and below a record; the wait is bounded, and a piece that was not asked for is not written.
my $script = <<"CGI" . <<'CGI';
#!/usr/bin/perl
my \$signals = '$signals';
CGI
use strict;
use Time::HiRes qw(sleep);
$| = 1;
my $id = $ENV{QUERY_STRING};
my $nph = $0 =~ /nph/;
print $nph ? "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" : "Content-Type: text/plain\n\n";
my $n = 0;
for my $size (1, 3, 100, 1000, 16384, 16385, 20000, 5) {
    print "<", "x" x $size, $n, ">";
    for (1 .. 3000) { last if -e "$signals/$id.$n"; sleep 0.02 }
    -e "$signals/$id.$n" or exit;
    $n++;
}
print "end\n";
CGI
$h->cgi($_, $script) for 'stream', 'nph-stream';
$h->start or BAIL_OUT($h->why);
my $id = 0;

# Drives one exchange: $read->(pattern) returns true when all pieces so far have come.
sub exchange {
    my ($name, $read) = @_;
    my $seen = 0;
    for my $n (0 .. 7) {
        last if !$read->(qr/x$n>/);
        $seen++;
        spew("$signals/$id.$n", '');
    }
    is($seen, 8, "$name: every piece came before the next was written");
    ok($seen == 8 && $read->(qr/end\n/), "$name: and the end") ;
    return;
}

for my $version ('1.2', '1.3') {
    for my $path ('stream', 'nph-stream') {
        $id++;
        my $w = ModSSL::Wire->new(port => $h->port, version => $version) or BAIL_OUT('no connection');
        $w->handshake or BAIL_OUT($w->error);
        $w->put("GET /cgi/$path?$id HTTP/1.1\r\nHost: localhost\r\n\r\n");
        # chunk sizes stand between the pieces, so a piece is looked for by its end
        exchange("TLS $version, $path", sub { my ($p) = @_; return $w->get_until($p) =~ $p });
    }
}

# A reader of a program's output, as get_until is one of a connection.
sub exchange_with {
    my ($name, @command) = @_;
    my $pid = open my $fh, '-|';
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        { exec 'timeout', 200, @command }
        POSIX::_exit(127);
    }
    my $text = '';
    exchange($name, sub {
        my ($pattern) = @_;
        my $end = time + 60;
        while ($text !~ $pattern && time < $end) {
            next if !IO::Select->new($fh)->can_read(0.2);
            last if !sysread $fh, $text, 65536, length $text;
        }
        return $text =~ $pattern;
    });
    kill 'TERM', $pid;
    close $fh;
    return;
}

my $port = $h->port;
SKIP: {
    skip 'no HTTP/2', 2 if !have_module('http2') || ModSSL::Httpd::mpm() eq 'prefork';
    $id++;
    exchange_with('h2', 'curl', '-q', '-sS', '-k', '-N', '--http2', "https://127.0.0.1:$port/cgi/stream?$id");
}

# The other direction: the script sees the first part of a body before the client has sent the second.
{
    $h->cgi('each', <<"CGI" . <<'CGI');
#!/usr/bin/perl
my \$signals = '$signals';
CGI
sysread STDIN, my $first, 1000;
open my $seen, '>', "$signals/seen";
close $seen;
sysread STDIN, my $second, 1000;
print "Content-Type: text/plain\n\n$first|$second|\n";
CGI
    my $w = ModSSL::Wire->new(port => $port) or BAIL_OUT('no connection');
    $w->handshake or BAIL_OUT($w->error);
    $w->put("POST /cgi/each HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n");
    $w->put('one');
    ok(wait_for(10, sub { -e "$signals/seen" }), 'first part of a request body reached the script');
    $w->put('two');
    like($w->get_until(qr/two\|/), qr/one\|two\|/, 'and the second');
}
ok($h->alive, 'server lives');
done_testing;
