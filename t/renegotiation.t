# Renegotiation that the client asks for (TLS 1.2) is refused: no second handshake happens, whatever the connection was
# doing, and the server lives (CVE-2009-3555, CVE-2019-0190).
use strict;
use warnings;
use Net::SSLeay;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(config => <<'END');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
$h->start or BAIL_OUT($h->why);
my $get = "GET / HTTP/1.1\nHost: localhost\n\n";

my ($out, $rc) = s_client(port => $h->port, args => ['-tls1_2', '-crlf'], ign_eof => 0, timeout => 30,
    input => [$get, qr/It works/, "R\n", qr/RENEGOTIATING/, $get]);
like($out, qr/It works/, 's_client: a request before');
like($out, qr/RENEGOTIATING/, 's_client: asked to renegotiate');
isnt($rc, 124, 's_client: the exchange ends');
like($out, qr/no renegotiation|handshake failure|unexpected eof|closed|read:errno/i, 's_client: it was refused');

# What the connection is doing when the client starts a second handshake: [name, sent before, sent after]
my @MOMENTS = (
    ['before the first request', '', "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
    ['in the request line', 'GET /', " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
    ['in the headers', "GET / HTTP/1.1\r\nHost: ", "localhost\r\nConnection: close\r\n\r\n"],
    ['in the body', "POST /cgi/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab", 'cd'],
    ['after a request', "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
);
for my $moment (@MOMENTS) {
    my ($when, $before, $after) = @$moment;
    my $w = ModSSL::Wire->new(port => $h->port, version => '1.2') or BAIL_OUT('no connection');
    $w->handshake or BAIL_OUT($w->error);
    my $finished = first_random($w);
    $w->put($before) if length $before;
    $w->get_until(qr/It works/) if $when eq 'after a request';
    Net::SSLeay::renegotiate($w->{ssl});
    my $again = renegotiated($w);
    ok(!$again, "$when: no second handshake");
    is(first_random($w), $finished, "$when: same keys as before");
    $w->put($after);
    $w->wait_eof(15);
    ok($w->eof, "$when: the connection ends");
    $w->close;
}

# The server's random of the handshake that has completed.
sub first_random { my ($w) = @_; return unpack 'H*', (Net::SSLeay::get_server_random($w->{ssl}) // '') }

# True when a handshake that is under way completes within two seconds or what the server needs to say no.
sub renegotiated {
    my ($w) = @_;
    my $done = Net::SSLeay::do_handshake($w->{ssl});
    my $hello = $w->pending;
    cmp_ok(length $hello, '>', 100, 'a ClientHello is sent');
    $w->put_raw($hello);
    for (1 .. 20) {
        $w->fill(2) or return 0;
        $done = Net::SSLeay::do_handshake($w->{ssl});
        my $out = $w->pending;
        $w->put_raw($out) if length $out;
        return 1 if $done == 1;
        return 0 if Net::SSLeay::get_error($w->{ssl}, $done) != 2;
    }
    return 0;
}

my $s = tls_connect(port => $h->port, version => '1.2') or BAIL_OUT($tls_error);
my $r = http_get($s, '/');
is($r && $r->{body}, "It works\n", 'a new connection is served');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG|exit signal/i, 'error log');
done_testing;
