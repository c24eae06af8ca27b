# The suite's main server answers https, with the certificate it was given.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file openssl);

plan skip_all => 'needs the main server of t/TEST' if !$ENV{MODSSL_TOP};
require Apache::Test;    # not imported: its plan and ok are other than Test::More's
my $config = Apache::Test::config();
my $port = $config->{vhosts}{mod_ssl}{port};
ok($port, 'the main server has a TLS port') or die 'no virtual host';

my $s = tls_connect(port => $port, sni => 'rsa.test', ca => pki_file('ca.crt'), name => 'rsa.test');
ok($s, 'the certificate is good for the name asked for') or die "no TLS: $tls_error\n";
is(peer_cn($s), 'rsa.test', 'the name in it');

my $want = openssl('x509', '-in', pki_file('rsa.crt'), '-noout', '-fingerprint', '-sha256');
my $shown = s_client(port => $port);
my ($pem) = $shown =~ /(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)/s;
my $file = ModSSL::PKI::spew("$ENV{MODSSL_TOP}/tmp/shown.pem", "$pem\n");
is(openssl('x509', '-in', $file, '-noout', '-fingerprint', '-sha256'), $want, 'it is the very certificate configured');

my $r = http_get($s, '/index.html', 'rsa.test');
is($r->{status}, 200, 'GET');
ok($r->{complete} && length $r->{body}, 'with a body');

my $plain = raw_connect($config->{vars}{port});
$r = http_get($plain, '/index.html', 'localhost');
is($r->{status}, 200, 'the plain port still speaks http');

done_testing;
