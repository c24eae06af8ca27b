# SPDX-License-Identifier: Apache-2.0
#
# Keys and certificates in a token, by pkcs11: URIs through OpenSSL's pkcs11 engine (SSLCryptoDevice): where the PIN comes
# from, children and restarts, and what is said when a key cannot be had.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::Client qw(:all);
use ModSSL::Token;

my $missing = ModSSL::Token::missing();
plan skip_all => $missing if $missing;

# A server with a token; @exec@ is a dialog program that logs its arguments and gives this PIN.
sub server_with {
    my ($config, %o) = @_;
    my $h = ModSSL::Httpd->new(name => 'tokens', minimal => 1, %o);
    my $token = ModSSL::Token->new($h->root, pin => '471147', keys => [qw(rsa ecdsa)]);
    my $root = $h->root;
    my $pin = $o{pin} || '471147';
    $h->{env} = { %{ $token->env }, $o{env} ? %{ $o{env} } : () };
    $h->{token} = $token;
    $h->file('conf/pin', '471147');
    my $exec = $h->cgi('exec', "#!/bin/sh\necho \"\$#: \$1 \$2\" >>$root/run/calls\necho $pin\n");
    my $pipe = $h->cgi('pipe', <<"PERL");
#!/usr/bin/perl
my \$text = '';
while (\$text !~ /PIN for web:\\z/) {
    sysread(STDIN, \$text, 4096, length \$text) or last;
}
open my \$log, '>', '$root/run/calls';
print {\$log} \$text;
close \$log;
syswrite STDOUT, "$pin\\n";
PERL
    $h->config($config =~ s/\@exec\@/$exec/gr =~ s/\@pipe\@/$pipe/gr =~ s/\@(\w+)-uri\@/$token->uri($1)/ger);
    return $h;
}

my $DEVICE = "SSLCryptoDevice pkcs11\nSSLEngine on\n";
my $CERT = "SSLCertificateFile \@pki\@/rsa.crt\n";

# Serves with both protocols and more than one connection, and again after each kind of restart.
sub serves {
    my ($h, $name, $want) = @_;
    $want ||= 'rsa.test';
    if (!$h->start) {
        fail($name);
        diag $h->why;
        return 0;
    }
    my @got = map { presented($h->port, version => $_) // "none: $tls_error" } '1.2', '1.3', '1.2', '1.3';
    is_deeply(\@got, [($want) x 4], $name);
    for my $how ('graceful', defined $h->{tty} && ModSSL::Httpd::mpm() eq 'prefork' ? () : 'restart') {
        ok($h->$how, "$name: $how");
        is(presented($h->port) // "none: $tls_error", $want, "$name: serves after it");
    }
    return 1;
}

my $log = '';
for (
    ['PIN in the URI',              qq(SSLCertificateKeyFile "\@rsa-uri\@;type=private?pin-value=471147"\n)],
    ['PIN in a file of the URI',    qq(SSLCertificateKeyFile "\@rsa-uri\@;type=private?pin-source=file:\@root\@/conf/pin"\n)],
    ['key by its id',               qq(SSLCertificateKeyFile "pkcs11:token=web;id=%01;type=private?pin-value=471147"\n)],
    ['PIN by exec:',                qq(SSLCertificateKeyFile "\@rsa-uri\@;type=private"\n), 'exec:@exec@', qr/^1: localhost:443 $/],
    ['PIN by a pipe',               qq(SSLCertificateKeyFile "\@rsa-uri\@"\n), '|@pipe@',
     qr/mod_ssl \(Pass Phrase Dialog\)\n.+\n\nPrivate key localhost:443 \(pkcs11:token=web;object=rsa\)\nEnter PKCS#11 token PIN for web:\z/],
) {
    my ($name, $key, $dialog, $calls) = @$_;
    my $h = server_with(($dialog ? "SSLPassPhraseDialog $dialog\n" : '') . $DEVICE . $CERT . $key);
    serves($h, $name) or next;
    $calls ? like($h->calls, $calls, "$name: asked once, as ever") : is($h->calls, '', "$name: nobody asked");
    unlike($h->errorlog, qr/471147/, "$name: no PIN in the log") if !is_stock();
    $log .= $h->errorlog;
}
like($log, qr/AH01890/, 'the engine is named in the log');

my $h = server_with("$DEVICE${CERT}SSLCertificateKeyFile \@rsa-uri\@\n", tty => "471147\n");
serves($h, 'PIN at the terminal');
undef $h;

# one PIN for all objects of a token; certificates out of it, too
$h = server_with(<<'CONF');
SSLPassPhraseDialog exec:@exec@
SSLCryptoDevice pkcs11
<VirtualHost *:@port:https@>
    ServerName both.test
    SSLEngine on
    SSLCertificateFile @rsa-uri@
    SSLCertificateFile @ecdsa-uri@
</VirtualHost>
<VirtualHost *:@port:https@>
    ServerName mixed.test:8443
    SSLEngine on
    SSLCertificateFile @pki@/ecdsa.crt
    SSLCertificateKeyFile @ecdsa-uri@
    SSLCertificateFile @pki@/a.crt
    SSLCertificateKeyFile @pki@/a.key
</VirtualHost>
CONF
if (serves($h, 'certificates and keys out of a token', 'ecdsa.test')) {
    is(presented($h->port, sni => 'both.test', version => '1.2', ciphers => 'aRSA'), 'rsa.test', 'two kinds at one host');
    my $s = tls_connect(port => $h->port, sni => 'mixed.test');
    ok($s && peer_cn($s) =~ /^(?:a|ecdsa)\.test$/, 'a key in a token beside one in a file');
    like($h->calls, qr/^1: (?:both\.test:443|mixed\.test:8443) \n\z/, 'one question for all of them');
}
undef $h;

# other settings make another SSL_CTX: nobody is asked for its key
my $config = "SSLPassPhraseDialog exec:\@exec\@\n$DEVICE${CERT}SSLCertificateKeyFile \@rsa-uri\@\n";
$h = server_with($config);
ok($h->start, 'a server that will be changed') or diag $h->why;
$h->calls;
my $root = $h->root;
my $uri = $h->{token}->uri('rsa');
$h->config(($config =~ s/\@exec\@/$root\/cgi\/exec/r =~ s/\@rsa-uri\@/$uri/r) . "SSLProtocol TLSv1.2\n");
ok($h->graceful, 'a graceful restart with another SSLProtocol');
ok(wait_for(10, sub { !defined presented($h->port, version => '1.3') }), 'has effect');
is(presented($h->port, version => '1.2'), 'rsa.test', 'with the key');
is($h->calls, '', 'and asks nobody');
undef $h;

for my $mpm ('prefork', 'worker') {
    $h = server_with("$DEVICE${CERT}SSLCertificateKeyFile \"\@rsa-uri\@?pin-value=471147\"\n", mpm => $mpm);
    ok($h->start, "$mpm starts") or next;
    is_deeply([map { presented($h->port) // "none: $tls_error" } 1 .. 6], [('rsa.test') x 6], "children of $mpm have the key");
}

# without SSLCryptoDevice
$h = server_with("SSLEngine on\n${CERT}SSLCertificateKeyFile \"\@rsa-uri\@?pin-value=471147\"\n");
serves($h, 'no SSLCryptoDevice, no provider: the engine all the same');
$h = server_with("$DEVICE${CERT}SSLCertificateKeyFile \@pki\@/rsa.key\n");
serves($h, 'SSLCryptoDevice and a key in a file');
undef $h;

# [name, lines, what our log says]
for (
    ['no such key',         qq(${CERT}SSLCertificateKeyFile "pkcs11:token=web;object=none?pin-value=471147"\n),
     qr/AH10133: localhost:443: the engine 'pkcs11' gave no private key for 'pkcs11:token=web;object=none\?pin-value=\*\*\*'/],
    ['no such certificate', qq(SSLCertificateFile "pkcs11:token=web;object=none?pin-value=471147"\n),
     qr/AH10136: localhost:443: the engine 'pkcs11' found no certificate at 'pkcs11:token=web;object=none\?pin-value=\*\*\*'/],
    ['no such token',       qq(${CERT}SSLCertificateKeyFile "pkcs11:token=none;object=rsa?pin-value=471147"\n), qr/AH10133.*token=none/],
    ['a wrong PIN',         qq(${CERT}SSLCertificateKeyFile "\@rsa-uri\@?pin-value=000000"\n), qr/AH10133.*\n.*PIN incorrect/],
    ['another key',         qq(${CERT}SSLCertificateKeyFile "\@ecdsa-uri\@?pin-value=471147"\n),
     qr/AH02565.*key in 'pkcs11:token=web;object=ecdsa\?pin-value=\*\*\*'/],
    ['a dialog that gives a wrong PIN', qq(${CERT}SSLCertificateKeyFile \@rsa-uri\@\n),
     qr{AH10133.*token=web;object=rsa'; its PIN came from the program '.*/cgi/exec'\n.*PIN incorrect}, '654321'],
    ['a dialog that gives no PIN',      qq(${CERT}SSLCertificateKeyFile \@rsa-uri\@\n),
     qr{\[ssl:error\].*AH02578.*'pkcs11:token=web;object=rsa' wants its PIN, and no pass phrase came from the program '.*/cgi/exec'}, '""'],
) {
    my ($name, $lines, $words, $pin) = @$_;
    $h = server_with(($pin ? "SSLPassPhraseDialog exec:\@exec\@\n" : '') . $DEVICE . $lines, $pin ? (pin => $pin) : ());
    my $why = $h->start_fails;
    ok(defined $why, "$name: does not start");
    is(scalar(() = $h->calls =~ /^1:/mg), 1, "$name: is not asked again") if $pin;
    SKIP: {
        skip 'messages are ours', 2 if is_stock();
        like($why, $words, "$name: the log says why");
        # the engine's own words on stderr are not ours
        unlike($h->errorlog, qr/^\[.*(?:471147|000000|654321)/m, "$name: without the PIN");
    }
}

$h = server_with("$DEVICE${CERT}SSLCertificateKeyFile \@rsa-uri\@\n");
my $why = $h->start_fails;
ok(defined $why, 'no terminal to ask for the PIN at: does not start');
like($why, qr/AH02578.*no terminal/, 'and says so') if !is_stock();

$h = server_with("SSLEngine on\n${CERT}SSLCertificateKeyFile \"\@rsa-uri\@?pin-value=471147\"\n", env => { OPENSSL_ENGINES => '/nonexistent', OPENSSL_CONF => '/dev/null' });
$why = $h->start_fails;
ok(defined $why, 'neither engine nor provider: does not start');
like($why, qr/AH10132: localhost:443: .*pin-value=\*\*\*'.*neither a provider .* nor the engine/, 'and the log says that') if !is_stock();

for my $name ('nosuchengine', '') {
    $h = server_with("SSLCryptoDevice \"$name\"\nSSLEngine on\n${CERT}SSLCertificateKeyFile \@pki\@/rsa.key\n");
    like($h->start_fails // 'started', qr/SSLCryptoDevice/, "SSLCryptoDevice '$name' is refused");
}
$h = server_with("SSLCryptoDevice builtin\nSSLEngine on\n${CERT}SSLCertificateKeyFile \@pki\@/rsa.key\n");
serves($h, 'SSLCryptoDevice builtin');

done_testing;
