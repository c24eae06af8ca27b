# A backend that comes with another certificate when it renegotiates (TLS 1.2) is looked at as it was at first.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Select;
use Net::SSLeay;
use ModSSL::Backend qw(front via tls request);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_file);

ours_only('the stock module looks at names after the first handshake only');

# Renegotiates with the certificate NAME between request and response.
sub backend {
    my ($name) = @_;
    return ModSSL::Backend->perl(sub {
        my ($raw) = @_;
        my $sock = tls($raw, cert => 'rsa', SSL_version => 'TLSv1_2') or return;
        request($sock) or return;
        my $ssl = $sock->_get_ssl_object;
        Net::SSLeay::set_options($ssl, Net::SSLeay::OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION());
        Net::SSLeay::use_certificate_file($ssl, pki_file("$name.crt"), 1) == 1 or die 'certificate';
        Net::SSLeay::use_PrivateKey_file($ssl, pki_file("$name.key"), 1) == 1 or die 'key';
        $sock->blocking(0);
        Net::SSLeay::renegotiate($ssl) == 1 or die 'renegotiate';
        Net::SSLeay::do_handshake($ssl);
        my $reading = IO::Select->new($raw);
        while ($reading->can_read(5)) {
            my ($got, $rv) = Net::SSLeay::read($ssl, 1);
            my $error = $rv > 0 ? 0 : Net::SSLeay::get_error($ssl, $rv);
            return $_[1]->note("$name: the proxy broke off") if $error && $error != Net::SSLeay::ERROR_WANT_READ();
        }
        $_[1]->note("$name: the proxy went along");
        Net::SSLeay::write($ssl, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
}

# certificate of the renegotiation => [status, what the backend sees]
my %CASES = (
    rsa => [200, 'went along'],
    a   => [502, 'broke off'],
);
my %backends = map { $_ => backend($_) } keys %CASES;
my $h = front(hosts => { map { $_ => "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca.crt\nProxyPass / https://localhost:"
    . $backends{$_}->port . '/ retry=0' } keys %CASES });
$h->start or die $h->why;
for my $name (sort keys %CASES) {
    my ($status, $seen) = @{ $CASES{$name} };
    is(via($h, $name)->{status}, $status, "$name: status");
    # the proxy's client has its answer before the backend has noticed
    wait_for(10, sub { $backends{$name}->notes });
    is(join('', $backends{$name}->notes), "$name: the proxy $seen", "$name: the backend");
}
like($h->errorlog, qr/its certificate is not for the name 'localhost'/, 'the log says why');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
