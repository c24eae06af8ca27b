# SPDX-License-Identifier: Apache-2.0
#
# Keys and certificates in a real token (SoftHSM) by pkcs11: URIs through OpenSSL's pkcs11-provider: signatures in children, restarts,
# where the PIN comes from, what is said when it is wrong. tokens-provider.t has the rules, with a provider that counts.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock openssl_version);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(slurp);
use ModSSL::Token;

my $missing = ModSSL::Token::missing('provider');
plan skip_all => $missing if $missing;

sub server_with {
    my ($config, %o) = @_;
    my $h = ModSSL::Httpd->new(name => 'tokens-pkcs11', minimal => 1, %o);
    my $token = ModSSL::Token->new($h->root, by => 'provider', pin => '471147', keys => [qw(rsa ecdsa)]);
    my $root = $h->root;
    my $pin = $o{pin} || '471147';
    $h->{env} = $token->env;
    $h->{env}{OPENSSL_ENGINES} = "$root/none";    # where the stock module would look first
    $h->file('conf/pin', '471147');
    my $exec = $h->cgi('exec', "#!/bin/sh\necho \"\$#: \$1 \$2\" >>$root/run/calls\necho $pin\n");
    $h->config($config =~ s/\@exec\@/$exec/gr =~ s/\@(\w+)-uri\@/$token->uri($1)/ger);
    return $h;
}

# Several connections, so that several children sign; and again after each kind of restart.
sub serves {
    my ($h, $name, $want) = @_;
    ok($h->start, "$name: starts") or do { diag $h->why; return 0 };
    for my $how ('', 'graceful', 'restart') {
        ok($h->$how, "$name: $how") or diag $h->why if $how;
        my @got = map { presented($h->port, version => $_) // "none: $tls_error" } ('1.2', '1.3') x 4;
        is_deeply(\@got, [($want) x 8], "$name: serves" . ($how && " after $how")) or diag $h->errorlog;
    }
    return 1;
}

my $CERT = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\n";
for (
    ['PIN in the URI',           qq(SSLCertificateKeyFile "\@rsa-uri\@;type=private?pin-value=471147"\n)],
    ['PIN in a file of the URI', qq(SSLCertificateKeyFile "\@rsa-uri\@;type=private?pin-source=file:\@root\@/conf/pin"\n)],
    ['key by its id',            qq(SSLCertificateKeyFile "pkcs11:token=web;id=%01;type=private?pin-value=471147"\n)],
    ['PIN by exec:',             qq(SSLCertificateKeyFile "\@rsa-uri\@;type=private"\n), qr/^1: localhost:443 \n\z/],
) {
    my ($name, $key, $asked) = @$_;
    my $h = server_with(($asked ? "SSLPassPhraseDialog exec:\@exec\@\n" : '') . $CERT . $key);
    serves($h, $name, 'rsa.test') or next;
    next if is_stock();
    $asked ? like($h->calls, $asked, "$name: asked once for all readings") : is($h->calls, '', "$name: nobody asked");
    unlike($h->errorlog, qr/471147/, "$name: no PIN in the log");
}

my $h = server_with("$CERT" . "SSLCertificateKeyFile \@rsa-uri\@\n", tty => "471147\n");
ok($h->start, 'PIN at the terminal') or diag $h->why;
is(presented($h->port), 'rsa.test', 'serves');
ok($h->graceful, 'a graceful restart, when nobody is there any more');
is(presented($h->port), 'rsa.test', 'serves');
undef $h;

$h = server_with(<<'CONF');
SSLPassPhraseDialog exec:@exec@
<VirtualHost *:@port:https@>
    ServerName both.test
    SSLEngine on
    SSLCertificateFile @rsa-uri@
    SSLCertificateFile @ecdsa-uri@
</VirtualHost>
<VirtualHost *:@port:https@>
    ServerName mixed.test
    SSLEngine on
    SSLCertificateFile @pki@/ecdsa.crt
    SSLCertificateKeyFile @ecdsa-uri@
    SSLCertificateFile @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
CONF
if (ok($h->start, 'certificates and keys out of a token') || diag $h->why) {
    is(presented($h->port, sni => 'both.test', version => '1.2', ciphers => $_->[0]), $_->[1], "both: $_->[0]")
        for ['aRSA', 'rsa.test'], ['aECDSA', 'ecdsa.test'];
    is(presented($h->port, sni => 'mixed.test', version => '1.2', ciphers => $_->[0]), $_->[1], "mixed: $_->[0]")
        for ['aRSA', 'rsa.test'], ['aECDSA', 'ecdsa.test'];
    like($h->calls, qr/^1: (?:both|mixed)\.test:443 \n\z/, 'one question for all of them') if !is_stock();
}
undef $h;

for (
    ['no such key', 'pkcs11:token=web;object=none;type=private?pin-value=471147', undef,    qr/AH10133: .* a provider's store gave no private key for '\S+\?pin-value=\*\*\*'/],
    ['no such token', 'pkcs11:token=none;object=rsa;type=private?pin-value=471147', undef,  qr/AH10133: .* a provider's store gave no private key for '\S+\?pin-value=\*\*\*'/],
    ['a wrong PIN', '@rsa-uri@;type=private',                       '000000', qr{AH10133: .*its PIN came from the program '.*/cgi/exec'}],
) {
    my ($name, $uri, $pin, $words) = @$_;
    $h = server_with("SSLPassPhraseDialog exec:\@exec\@\n$CERT" . "SSLCertificateKeyFile \"$uri\"\n", pin => $pin);
    my $why = $h->start_fails;
    ok(defined $why, "$name: does not start");
    next if is_stock();
    like($why, $words, "$name: the log says why");
    unlike($why, qr/471147|000000/, "$name: without the PIN");
    is($h->calls, $pin ? "1: localhost:443 \n" : '', "$name: who was asked");
}

# A provider that is not told to keep the PIN: no child asks for it, and the log says what to do.
SKIP: {
    skip 'the stock module asks at each handshake', 3 if is_stock();
    $h = server_with("SSLPassPhraseDialog exec:\@exec\@\n$CERT" . "SSLCertificateKeyFile \@rsa-uri\@\n");
    my $cnf = $h->{env}{OPENSSL_CONF};
    $h->file('token/openssl.cnf', slurp($cnf) =~ s/^pkcs11-module-cache-pins.*\n//mr);
    ok($h->start, 'without pkcs11-module-cache-pins') or diag $h->why;
    is(presented($h->port), undef, 'children cannot sign');
    my ($module) = slurp($cnf) =~ m{^module = (\S+)}m;
    skip 'the provider is linked with another OpenSSL than the server', 1
        if `ldd $module` =~ /libcrypto\.so\.(\d+)/ && openssl_version() !~ /^$1\./;
    ok($h->errorlog_like(qr/pkcs11-module-cache-pins = cache/), 'and the log has the cure') or diag $h->errorlog;
}

done_testing;
