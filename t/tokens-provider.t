# SPDX-License-Identifier: Apache-2.0
#
# Keys and certificates by pkcs11: URIs through a provider's store, as OpenSSL's configuration file names it. The provider is
# t/c-modules/token_provider.c: Debian 12 has none.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::Client qw(:all);
use ModSSL::CModule;
use ModSSL::PKI qw(pki_file openssl slurp);

# A server whose token has the keys rsa and ecdsa under the PIN 471147; exec: gives $pin and logs its arguments.
sub server_with {
    my ($config, %o) = @_;
    my $h = ModSSL::Httpd->new(name => 'tokens-provider', minimal => 1, %o);
    my $root = $h->root;
    my $pin = defined $o{pin} ? $o{pin} : '471147';
    my $provider = ModSSL::CModule::build('token_provider', $root);
    for my $name (qw(rsa ecdsa)) {
        openssl('x509', '-in', pki_file("$name.crt"), '-outform', 'DER', '-out', "$root/$name.crt.der");
        openssl('pkey', '-in', pki_file("$name.key"), '-outform', 'DER', '-out', "$root/$name.key.der");
    }
    $h->file('conf/openssl.cnf', <<"CNF");
openssl_conf = all
[all]
providers = providers
[providers]
default = built_in
token = token
[built_in]
activate = 1
[token]
module = $provider
activate = 1
CNF
    $h->{env} = { OPENSSL_CONF => "$root/conf/openssl.cnf", TOKEN_DIR => $root, TOKEN_PIN => '471147', TOKEN_TRIES => "$root/run/tries",
                # the stock module does not look for a provider where it finds the engine
                is_stock() ? (OPENSSL_ENGINES => "$root/none") : () };
    my $exec = $h->cgi('exec', "#!/bin/sh\necho \"\$#: \$1 \$2\" >>$root/run/calls\necho $pin\n");
    $h->config($config =~ s/\@exec\@/$exec/gr);
    return $h;
}

sub taken {
    my ($h, $name) = @_;
    my $file = $h->root . "/run/$name";
    my $text = -e $file ? slurp($file) : '';
    unlink $file;
    return $text;
}

my $h = server_with(<<'CONF');
SSLEngine on
SSLCertificateFile "pkcs11:token=web;object=rsa?pin-value=471147"
CONF
ok($h->start, 'certificate and key by one URI that has the PIN') or diag $h->why;
is(presented($h->port, version => $_), 'rsa.test', "TLS $_") for '1.2', '1.3';
ok($h->graceful, 'graceful restart');
is(presented($h->port), 'rsa.test', 'and serves');

my $config = <<'CONF';
SSLPassPhraseDialog exec:@exec@
<VirtualHost *:@port:https@>
    ServerName one.test
    SSLEngine on
    SSLCertificateFile pkcs11:token=web;object=rsa
    SSLCertificateFile pkcs11:token=web;object=ecdsa
</VirtualHost>
<VirtualHost *:@port:https@>
    ServerName two.test
    SSLEngine on
    SSLCertificateFile @pki@/rsa.crt
    SSLCertificateKeyFile pkcs11:token=web;object=rsa
</VirtualHost>
CONF
$h = server_with($config);
ok($h->start, 'the PIN by the dialog') or diag $h->why;
is(presented($h->port, sni => 'one.test', version => '1.2', ciphers => 'aRSA'), 'rsa.test', 'an RSA key');
is(presented($h->port, sni => 'one.test', version => '1.2', ciphers => 'aECDSA'), 'ecdsa.test', 'an ECDSA key');
is(presented($h->port, sni => 'two.test'), 'rsa.test', 'and a certificate of its own in a file');
my $calls = taken($h, 'calls');
SKIP: {
    skip 'the stock module asks for each key, at each reading of the configuration', 6 if is_stock();
    like($calls, qr/^1: (?:one|two)\.test:443 \n\z/, 'is asked for once for all keys of a token');
    unlike(taken($h, 'tries'), qr/^(?!.* 471147$)/m, 'no other PIN was tried');
    $h->config($config =~ s/\@exec\@/$h->root . '\/cgi\/exec'/er . "SSLProtocol TLSv1.2\n");
    ok($h->graceful, 'a graceful restart with another SSLProtocol');
    ok(wait_for(10, sub { !defined presented($h->port, sni => 'two.test', version => '1.3') }), 'has effect');
    is(presented($h->port, sni => 'two.test', version => '1.2'), 'rsa.test', 'with the key');
    is(taken($h, 'calls'), '', 'and asks nobody');
}
undef $h;

SKIP: {
    skip 'the stock module asks for each key', 2 if is_stock();
    $h = server_with($config =~ s/web;object=ecdsa/other;object=ecdsa/r);
    ok($h->start, 'two tokens whose prompts are the same') or diag $h->why;
    is(scalar(() = taken($h, 'calls') =~ /^1:/mg), 2, 'a question for each: the PIN of one is not tried with the other');
    undef $h;
}

# an encrypted key in a file and a PIN: neither's phrase is tried for the other
$h = server_with(<<'CONF');
SSLPassPhraseDialog exec:@exec@
SSLEngine on
SSLCertificateFile @root@/e.crt
SSLCertificateKeyFile @root@/e.key
SSLCertificateFile @pki@/rsa.crt
SSLCertificateKeyFile pkcs11:token=web;object=rsa
CONF
openssl('pkey', '-in', pki_file('ecdsa.key'), '-aes256', '-passout', 'pass:phrase of a file', '-out', $h->root . '/e.key');
$h->file('e.crt', slurp(pki_file('ecdsa.crt')));
chmod 0644, $h->root . '/e.key';
$h->cgi('exec', "#!/bin/sh\nif [ -n \"\$2\" ]; then echo 'phrase of a file'; else echo 471147; fi\n");
ok($h->start, 'a token and an encrypted file') or diag $h->why;
unlike(taken($h, 'tries'), qr/phrase of a file/, 'the phrase of the file is not tried with the token');

# [name, line, PIN of the dialog, what our log says]
for (
    ['no such key',   'pkcs11:object=none?pin-value=471147', undef,    qr/AH10133: .* a provider's store gave no private key for 'pkcs11:object=none\?pin-value=\*\*\*'/],
    ['a wrong PIN',   'pkcs11:object=rsa',                   '000000', qr{AH10133: .*'pkcs11:object=rsa'; its PIN came from the program '.*/cgi/exec'}],
    ['no PIN',        'pkcs11:object=rsa',                   '""',     qr/AH02578: .*'pkcs11:object=rsa' wants its PIN/],
) {
    my ($name, $uri, $pin, $words) = @$_;
    $h = server_with("SSLPassPhraseDialog exec:\@exec\@\nSSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \"$uri\"\n",
                     defined $pin ? (pin => $pin) : ());
    my $why = $h->start_fails;
    ok(defined $why, "$name: does not start");
    SKIP: {
        skip 'messages are ours', 2 if is_stock();
        like($why, $words, "$name: the log says why");
        unlike($why, qr/471147|000000/, "$name: without the PIN");
        is(scalar(() = taken($h, 'tries') =~ /000000/g), 1, "$name: tried once") if $pin && $pin eq '000000';
    }
}

done_testing;
