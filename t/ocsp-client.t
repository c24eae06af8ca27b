# SSLOCSPEnable: whom a responder's word lets in and keeps out, about which certificates it is asked, and when: in handshakes, when a
# directory asks for the certificate, not for resumed sessions.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert pki_file openssl);
use ModSSL::Responder;
use ModSSL::Admission qw(admissions admitted);

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
sub cert { my ($name, @more) = @_; return make_cert(dir => $dir, name => $name, type => 'client', key => 'ec', @more) }
sub serial { return openssl('x509', '-in', pki_file("$_[0].crt"), '-noout', '-serial') =~ /=(\w+)/ ? $1 : die }

cert('delegate', eku => 'OCSPSigning');
cert('no-delegate');
cert('inter-delegate', ca => 'inter', eku => 'OCSPSigning');
my %serial = map { $_ => serial($_) } qw(inter client-inter);
my $r = ModSSL::Responder->new(signers => { map { $_ => "$dir/$_" } qw(delegate no-delegate inter-delegate) },
                               serials => { $serial{inter} => 'revoked' });
sub at { return 'SSLOCSPDefaultResponder ' . $r->url($_[0]) }
cert('names-good', ext => ['authorityInfoAccess=OCSP;URI:' . $r->url('good')]);
cert('names-revoked', ext => ['authorityInfoAccess=OCSP;URI:' . $r->url('revoked')]);
cert('names-https', ext => ['authorityInfoAccess=OCSP;URI:https://127.0.0.1:1/']);
cert('names-ldap', ext => ['authorityInfoAccess=OCSP;URI:ldap://127.0.0.1:1/,OCSP;URI:' . $r->url('good')]);
cert('names-dead', ext => ['authorityInfoAccess=OCSP;URI:http://127.0.0.1:1/,OCSP;URI:' . $r->url('good')]);

my $chain = "SSLVerifyDepth 3\n";
my @rows = (
    ['good',    at('good'),    'client', 'SUCCESS', asked => ['/good']],
    ['good',    at('good'),    'client', 'SUCCESS', asked => ['/good']],
    ['revoked', at('revoked'), 'client', 'out', log => qr/AH03239: OCSP: client refused: the certificate was revoked on .* \(keyCompromise\) \[subject: .*Test Client.*serial: .*responder http.*revoked; virtual host rsa\.test/],
    ['revoked', at('revoked'), 'client', 'out'],
    ['unknown', at('unknown'), 'client', 'out', log => qr/client refused: the responder does not know the certificate/],
    ['real responder, good',    at('real'), 'client', 'SUCCESS'],
    ['real responder, revoked', at('real'), 'client-revoked', 'out', log => qr/was revoked on/],
    ['no nextUpdate',    at('no-next'), 'client', 'SUCCESS'],
    ['responder by key', at('good?key_id=1'), 'client', 'SUCCESS'],
    # who signs
    ['delegate',         at('good?signer=delegate'), 'client', 'SUCCESS'],
    ['no delegate',      at('good?signer=no-delegate'), 'client', 'out', log => qr/bad answer: .*SSLOCSPResponderCertificateFile/],
    ["the issuer's certificate left out", at('good?certs=none'), 'client', 'SUCCESS', stock => 'out'],
    # which responder
    ['none named', '', 'client', 'out', asked => [], log => qr/client refused: the certificate names no OCSP responder.*responder none/],
    ['named, good',    '', 'names-good', 'SUCCESS', asked => ['/good']],
    ['named, revoked', '', 'names-revoked', 'out', asked => ['/revoked']],
    ['named before the default', at('revoked'), 'names-good', 'SUCCESS', asked => ['/good']],
    ['named, https', '', 'names-https', 'out', log => qr/https:\/\/ is not supported/],
    ['named, ldap first', '', 'names-ldap', 'SUCCESS', stock => 'out'],
    ['named, the first is dead', '', 'names-dead', 'out', asked => [], log => qr/cannot be reached: Connection refused/],
    # which certificates
    ['chain: the CA revoked',   $chain . at('by-serial'), 'client-inter', 'out', asked => ['/by-serial'], log => qr/revoked on .*subject: CN=Test Intermediate CA/],
    ['leaf: by its issuer',     "${chain}SSLOCSPEnable leaf\n" . at('by-serial?signer=inter'), 'client-inter', 'SUCCESS', asked => ['/by-serial?signer=inter']],
    ['leaf: by its delegate',   "${chain}SSLOCSPEnable leaf\n" . at('good?signer=inter-delegate'), 'client-inter', 'SUCCESS', stock => 'out'],
    ['leaf: not by the root',   "${chain}SSLOCSPEnable leaf\n" . at('good?signer=ca'), 'client-inter', 'out'],
    ["leaf: not by another's delegate", "${chain}SSLOCSPEnable leaf\n" . at('good?signer=delegate'), 'client-inter', 'out'],
    ['off', "SSLOCSPEnable off\n" . at('revoked'), 'client', 'SUCCESS', asked => []],
    ['a trusted client certificate', "SSLCACertificateFile \@pki\@/client-self.crt\n" . at('revoked'), 'client-self', 'SUCCESS', asked => []],
    # nobody is asked about what is wrong already
    ['expired client', at('good'), 'client-expired', 'out', asked => []],
    ['foreign client', at('good'), 'client2', 'out', asked => []],
    # how the certificate was asked for
    ['optional, revoked', "SSLVerifyClient optional\n" . at('revoked'), 'client', 'out'],
    ['optional, none', "SSLVerifyClient optional\n" . at('revoked'), undef, 'NONE', asked => []],
    ['optional_no_ca, good', "SSLVerifyClient optional_no_ca\n" . at('good'), 'client', 'SUCCESS'],
    ['optional_no_ca, revoked', "SSLVerifyClient optional_no_ca\n" . at('revoked'), 'client', 'out'],
    ['optional_no_ca, foreign', "SSLVerifyClient optional_no_ca\n" . at('good'), 'client2', 'out', asked => [], log => qr/AH02038: OCSP: client refused: .*SSLVerifyClient optional or require/],
    ['optional_no_ca, leaf, foreign', "SSLVerifyClient optional_no_ca\nSSLOCSPEnable leaf\n" . at('good'), 'client2', 'out', asked => []],
    ['optional_no_ca, self-signed', "SSLVerifyClient optional_no_ca\n" . at('good'), 'client-self', 'out', asked => []],
    # with revocation lists, which hold for delegates, too
    ['with a list', "SSLCARevocationFile \@pki\@/ca.crl\nSSLCARevocationCheck leaf\n" . at('good?signer=delegate'), 'client', 'SUCCESS'],
    ['without the list, good', "SSLCARevocationFile \@pki\@/inter.crl\nSSLCARevocationCheck leaf no_crl_for_cert_ok\n" . at('good'), 'client', 'SUCCESS', stock => 'out', asked => is_stock() ? [] : ['/good']],
    ['without the list, revoked', "SSLCARevocationFile \@pki\@/inter.crl\nSSLCARevocationCheck leaf no_crl_for_cert_ok\n" . at('revoked'), 'client', 'out', asked => is_stock() ? [] : ['/revoked']],
    ['for a directory', "SSLVerifyClient none\n<Location /cgi>\nSSLVerifyClient require\n</Location>\n" . at('good'), 'client', 'SUCCESS', asked => ['/good'], version => '1.2'],
    ['for a directory', "SSLVerifyClient none\n<Location /cgi>\nSSLVerifyClient require\n</Location>\n" . at('good'), 'client', 'SUCCESS', asked => ['/good'], version => '1.3'],
    ['for a directory, revoked', "SSLVerifyClient none\n<Location /cgi>\nSSLVerifyClient require\n</Location>\n" . at('revoked'), 'client', 'out', asked => ['/revoked'], version => '1.2'],
    ['for a directory, revoked', "SSLVerifyClient none\n<Location /cgi>\nSSLVerifyClient require\n</Location>\n" . at('revoked'), 'client', 'out', asked => ['/revoked'], version => '1.3'],
);
my $h = admissions(base => "SSLVerifyClient require\nSSLOCSPEnable on", dir => $dir, responder => $r, rows => \@rows);

# A session that was made with a good answer.
for my $version ('1.2', '1.3') {
    my $first = tls_connect(port => $h->port('p0'), version => $version, client => 'client');
    is(http_get($first, '/cgi/env', 'rsa.test')->{status}, 200, "TLS $version: a session");
    my $session = session($first);
    close $first;
    $r->requests;
    my $again = tls_connect(port => $h->port('p0'), version => $version, client => 'client', session => $session);
    my $got = http_get($again, '/cgi/env', 'rsa.test');
    ok(resumed($again), "TLS $version: resumed");
    like($got->{body}, qr/^SSL_CLIENT_VERIFY=SUCCESS$/m, "TLS $version: the certificate counts");
    is_deeply([$r->requests], [], "TLS $version: nobody is asked");
}
ok($h->alive, 'the server is up');
done_testing;
