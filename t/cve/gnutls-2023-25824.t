# mod_gnutls CVE-2023-25824: a read that ran into its time-out was tried again for ever. With a client that sends half of
# something and waits, the connection ends, and no process is busy meanwhile. (t/stall.t: with mod_reqtimeout, too.)
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(config => <<'END');
Timeout 2
KeepAliveTimeout 2
AcceptFilter https none
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
SSLCACertificateFile  @pki@/ca.crt
<Location /asks>
    SSLVerifyClient require
</Location>
END
$h->start or BAIL_OUT($h->why);

my $post = "POST /cgi/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";
my @WAYS = (
    ['half a record header', sub { $_[0]->put_raw(substr $_[0]->hello, 0, 3) }],
    ['half a ClientHello', sub { $_[0]->put_raw(substr $_[0]->hello, 0, 60) }],
    ['half a record', sub { $_[0]->handshake; my $r = $_[0]->seal("GET / HTTP/1.1\r\n"); $_[0]->put_raw(substr $r, 0, 15) }],
    ['half a request', sub { $_[0]->handshake; $_[0]->put("GET / HT") }],
    ['half a body', sub { $_[0]->handshake; $_[0]->put("${post}abc") }],
    ['half a body, amid a record', sub { $_[0]->handshake; $_[0]->put($post); my $r = $_[0]->seal('x' x 100); $_[0]->put_raw(substr $r, 0, 40) }],
    ['half a body that is kept for another handshake', sub { $_[0]->handshake; $_[0]->put($post =~ s{/cgi/echo}{/asks/}r . 'abc') }],
);
my $before = $h->cpu_ticks;
for my $version ('1.2', '1.3') {
    my @waiting = map { my $w = ModSSL::Wire->new(port => $h->port, version => $version) or BAIL_OUT('no connection'); $_->[1]->($w); [$_->[0], $w] } @WAYS;
    ok($_->[1]->wait_eof(30), "TLS $version: after $_->[0] the connection ends") for @waiting;
    $_->[1]->close for @waiting;
}
cmp_ok($h->cpu_ticks - $before, '<', 200, 'ticks of CPU time for all of them');
my $s = tls_connect(port => $h->port) or BAIL_OUT($tls_error);
is(http_get($s, '/', 'localhost')->{status}, 200, 'others are served');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
