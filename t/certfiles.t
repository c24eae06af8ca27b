# The arrangements of certificate, chain, key and parameter files that must work, each shown by what the client gets.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file openssl slurp spew make_cert PASS);

my $pki = ModSSL::PKI::pki_dir();

# Starts a server whose one TLS host has these lines; the rest of the test runs while it is up.
my $count = 0;
sub serve {
    my ($lines, %files) = @_;
    my $h = ModSSL::Httpd->new(name => 'certfiles-' . ++$count);
    $h->file("conf/$_", $files{$_}) for keys %files;
    $h->config("SSLEngine on\n$lines\n");
    return $h if $h->start;
    fail("starts with: $lines");
    diag $h->why;
    return;
}

# The common names of what the server sends, leaf first.
sub sent {
    my ($port, @args) = @_;
    my $out = s_client(port => $port, args => ['-showcerts', @args]);
    my ($chain) = $out =~ /^Certificate chain\n(.*?)^---\n/ms or return "no chain: $out";
    return join ' < ', $chain =~ /^ *\d+ s:.*?CN ?= ?([^\n,]+)/mg;
}

sub check {
    my ($name, $want, $lines, %files) = @_;
    subtest $name => sub {
        my $h = serve($lines, %files) or return;
        is(sent($h->port), $want, 'what is sent');
        my $s = tls_connect(port => $h->port, ca => pki_file('ca.crt')) or return fail("verified by a client: $tls_error");
        my $r = http_get($s, '/', 'localhost', close => 1);
        is($r && $r->{status}, 200, 'verified by a client, and serves');
    };
}

my ($rsa_crt, $rsa_key, $leaf, $inter, $root, $chain_key) =
    map { slurp(pki_file($_)) } qw(rsa.crt rsa.key chain-leaf.crt inter.crt ca.crt chain.key);
my $CHAIN = 'chain.test < Test Intermediate CA';

check('certificate and key apart', 'rsa.test', "SSLCertificateFile $pki/rsa.crt\nSSLCertificateKeyFile $pki/rsa.key");
check('key before certificate', 'rsa.test', "SSLCertificateKeyFile $pki/rsa.key\nSSLCertificateFile $pki/rsa.crt");
check('key in the certificate file', 'rsa.test', 'SSLCertificateFile conf/x.pem', 'x.pem' => $rsa_crt . $rsa_key);
check('key before the certificate in it', 'rsa.test', 'SSLCertificateFile conf/x.pem', 'x.pem' => $rsa_key . $rsa_crt);
check('text between the parts', 'rsa.test', 'SSLCertificateFile conf/x.pem',
    'x.pem' => "Bag Attributes\n    friendlyName: x\n$rsa_crt\n# the key\n\n$rsa_key\nthe end\n");
check('lines end with CR LF', 'rsa.test', 'SSLCertificateFile conf/x.pem', 'x.pem' => ($rsa_crt . $rsa_key) =~ s/\n/\r\n/gr);
check('chain in the certificate file', $CHAIN, "SSLCertificateFile $pki/chain.crt\nSSLCertificateKeyFile $pki/chain.key");
check('chain up to the root', "$CHAIN < Test Root CA", "SSLCertificateFile conf/x.pem\nSSLCertificateKeyFile $pki/chain.key",
    'x.pem' => $leaf . $inter . $root);
check('certificate, chain and key in one file', $CHAIN, 'SSLCertificateFile conf/x.pem', 'x.pem' => $leaf . $inter . $chain_key);
check('certificate, key, chain in one file', $CHAIN, 'SSLCertificateFile conf/x.pem', 'x.pem' => $leaf . $chain_key . $inter);
check('SSLCertificateChainFile', $CHAIN,
    "SSLCertificateFile $pki/chain-leaf.crt\nSSLCertificateKeyFile $pki/chain.key\nSSLCertificateChainFile $pki/inter.crt");
check('SSLCertificateChainFile with the root', "$CHAIN < Test Root CA",
    "SSLCertificateFile $pki/chain-leaf.crt\nSSLCertificateKeyFile $pki/chain.key\nSSLCertificateChainFile conf/x.pem",
    'x.pem' => $inter . $root);
check('SSLCertificateChainFile that is the certificate file', $CHAIN,
    "SSLCertificateFile $pki/chain.crt\nSSLCertificateKeyFile $pki/chain.key\nSSLCertificateChainFile $pki/chain.crt");
check('ServerRoot-relative paths', 'rsa.test', "SSLCertificateFile conf/c.pem\nSSLCertificateKeyFile conf/k.pem",
    'c.pem' => $rsa_crt, 'k.pem' => $rsa_key);
check('quoted paths with a space', 'rsa.test', qq(SSLCertificateFile "conf/my cert.pem"\nSSLCertificateKeyFile "conf/my key.pem"),
    'my cert.pem' => $rsa_crt, 'my key.pem' => $rsa_key);
check('PKCS#1 key', 'rsa.test', "SSLCertificateFile $pki/rsa.crt\nSSLCertificateKeyFile conf/k.pem",
    'k.pem' => openssl('pkey', '-traditional', '-in', pki_file('rsa.key')));
check('SEC1 key after its parameters', 'ecdsa.test', "SSLCertificateFile $pki/ecdsa.crt\nSSLCertificateKeyFile conf/k.pem",
    'k.pem' => openssl('ecparam', '-name', 'prime256v1') . openssl('pkey', '-traditional', '-in', pki_file('ecdsa.key')));
check('TRUSTED CERTIFICATE', 'rsa.test', "SSLCertificateFile conf/c.pem\nSSLCertificateKeyFile $pki/rsa.key",
    'c.pem' => openssl('x509', '-trustout', '-in', pki_file('rsa.crt')));
check('X509 CERTIFICATE, the old armour', 'rsa.test', "SSLCertificateFile conf/c.pem\nSSLCertificateKeyFile $pki/rsa.key",
    'c.pem' => $rsa_crt =~ s/(BEGIN|END) CERT/$1 X509 CERT/gr);
for my $name (qw(ecdsa p384 ed25519 rsapss)) {
    check("$name key", "$name.test", "SSLCertificateFile $pki/$name.crt\nSSLCertificateKeyFile $pki/$name.key");
}

SKIP: {
    skip 'the stock module takes a key in DER, not a certificate', 2 if is_stock();
    check('DER certificate and key', 'rsa.test', "SSLCertificateFile $pki/rsa.crt.der\nSSLCertificateKeyFile $pki/rsa.key.der");
    check('DER certificate, PEM key', 'rsa.test', "SSLCertificateFile $pki/rsa.crt.der\nSSLCertificateKeyFile $pki/rsa.key");
}
check('PEM certificate, DER key', 'rsa.test', "SSLCertificateFile $pki/rsa.crt\nSSLCertificateKeyFile $pki/rsa.key.der");

subtest 'three kinds of keys on one host' => sub {
    my $h = serve(join "\n", map { "SSLCertificateFile $pki/$_.crt\nSSLCertificateKeyFile $pki/$_.key" } qw(rsa ecdsa ed25519)) or return;
    my $port = $h->port;
    for my $case (
        ['rsa.test',     '-tls1_3', '-sigalgs', 'rsa_pss_rsae_sha256'],
        ['ecdsa.test',   '-tls1_3', '-sigalgs', 'ecdsa_secp256r1_sha256'],
        ['ed25519.test', '-tls1_3', '-sigalgs', 'ed25519'],
        ['rsa.test',     '-tls1_2', '-cipher', 'aRSA'],
        ['ecdsa.test',   '-tls1_2', '-cipher', 'aECDSA', '-sigalgs', 'ECDSA+SHA256'],
        ['ed25519.test', '-tls1_2', '-cipher', 'aECDSA', '-sigalgs', 'ed25519'],
    ) {
        my ($want, @args) = @$case;
        is(sent($port, @args), $want, "@args");
    }
    my $out = s_client(port => $port, args => ['-tls1_3', '-sigalgs', 'ecdsa_secp521r1_sha512']);
    like($out, qr/handshake failure/, 'none fits: no handshake');
};

subtest 'first the certificates, then the keys' => sub {
    my $h = serve("SSLCertificateFile $pki/rsa.crt\nSSLCertificateFile $pki/ecdsa.crt\n"
                . "SSLCertificateKeyFile $pki/rsa.key\nSSLCertificateKeyFile $pki/ecdsa.key") or return;
    is(sent($h->port, '-tls1_2', '-cipher', 'aRSA'), 'rsa.test', 'RSA');
    is(sent($h->port, '-tls1_2', '-cipher', 'aECDSA'), 'ecdsa.test', 'ECDSA');
};

subtest 'two kinds, each with key and chain in its own file' => sub {
    my $dir = File::Temp->newdir;
    my $ec = make_cert(dir => "$dir", name => 'ec-chain', key => 'ec', ca => 'inter', san => ['DNS:localhost']);
    my $h = serve("SSLCertificateFile conf/r.pem\nSSLCertificateFile conf/e.pem",
        'r.pem' => $leaf . $inter . $chain_key, 'e.pem' => slurp($ec) . $inter . slurp("$dir/ec-chain.key")) or return;
    is(sent($h->port, '-tls1_2', '-cipher', 'aRSA'), $CHAIN, 'RSA');
    is(sent($h->port, '-tls1_2', '-cipher', 'aECDSA'), 'ec-chain.test < Test Intermediate CA', 'ECDSA');
};

# Parameters at the end of the first certificate file
sub temp_key {
    my ($port, @args) = @_;
    my $out = s_client(port => $port, args => \@args);
    return $out =~ /^(?:Server|Peer) Temp Key: (.*)$/m ? $1 : "none: $out";
}

subtest 'DH parameters' => sub {
    my $pem = slurp(pki_file('dh.pem'));
    # A client that knows named groups of DH gets one of those (RFC 7919, OpenSSL 4.0) rather than the server's own.
    my @dhe = ('-tls1_2', '-cipher', 'DHE-RSA-AES128-GCM-SHA256', '-groups', 'P-256');
    my $suite = 'SSLCipherSuite ALL';
    my $key = "SSLCertificateKeyFile $pki/rsa.key\n$suite";
    my $h = serve("SSLCertificateFile conf/x.pem\n$key", 'x.pem' => $rsa_crt . $pem) or return;
    is(temp_key($h->port, @dhe), 'DH, 2048 bits', 'in the certificate file');

    # ffdhe3072 can be told from what OpenSSL chooses for a key of 2048 bits
    my $big = openssl('genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe3072');
    $h = serve("SSLCertificateFile conf/x.pem\n$key", 'x.pem' => $rsa_crt . $big) or return;
    is(temp_key($h->port, @dhe), 'DH, 3072 bits', 'larger ones too');
    $h = serve("SSLCertificateFile conf/x.pem\n$suite", 'x.pem' => $rsa_crt . $rsa_key . $big) or return;
    is(temp_key($h->port, @dhe), 'DH, 3072 bits', 'after a key');
    $h = serve("SSLCertificateFile $pki/rsa.crt\n$key") or return;
    is(temp_key($h->port, @dhe), 'DH, 2048 bits', 'none given: by the strength of the key');
    SKIP: {
        skip 'the stock module goes by the strength of the key all the same', 1 if is_stock();
        $h = serve("SSLCertificateFile $pki/rsa.crt\n$key\nSSLOpenSSLConfCmd DHParameters conf/dh.pem", 'dh.pem' => $big) or return;
        is(temp_key($h->port, @dhe), 'DH, 3072 bits', 'SSLOpenSSLConfCmd DHParameters');
    }
};

subtest 'EC parameters' => sub {
    my $param = openssl('ecparam', '-name', 'secp384r1');
    my $h = serve("SSLCertificateFile conf/x.pem\nSSLCertificateKeyFile $pki/ecdsa.key", 'x.pem' => slurp(pki_file('ecdsa.crt')) . $param)
        or return;
    like(temp_key($h->port, '-tls1_2', '-curves', 'P-256:P-384'), qr/^(?:ECDH, )?(?:P-384|secp384r1), 384 bits/, 'the curve named is used');
    like(temp_key($h->port, '-tls1_3', '-curves', 'P-256:P-384'), qr/^(?:ECDH, )?(?:P-384|secp384r1), 384 bits/, 'with TLS 1.3 too');
};

subtest 'a virtual host overrides the global certificate' => sub {
    my $h = ModSSL::Httpd->new(name => 'certfiles-override', listen => [qw(https second)], config => <<"CONF");
SSLCertificateFile    $pki/rsa.crt
SSLCertificateKeyFile $pki/rsa.key
<VirtualHost *:\@port:https\@>
    ServerName heir.test
    SSLEngine on
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName own.test
    SSLEngine on
    SSLCertificateFile    $pki/ecdsa.crt
    SSLCertificateKeyFile $pki/ecdsa.key
</VirtualHost>
<VirtualHost *:\@port:second\@>
    SSLEngine on
    SSLCertificateFile    $pki/a.crt
    SSLCertificateKeyFile $pki/a.key
</VirtualHost>
CONF
    $h->start or return fail($h->why);
    is(presented($h->port, sni => 'heir.test'), 'rsa.test', 'inherited');
    is(presented($h->port, sni => 'own.test'), 'ecdsa.test', 'its own');
    is(presented($h->port, sni => 'own.test', version => '1.2', ciphers => 'aRSA'), undef, 'and the global one is not added to it');
    is(presented($h->port('second')), 'a.test', 'on another port');
};

subtest 'files only root may read' => sub {
    plan skip_all => 'not root' if $> != 0;
    my $h = ModSSL::Httpd->new(name => 'certfiles-mode');
    my ($c, $k) = ($h->file('private/c.pem', $rsa_crt), $h->file('private/k.pem', $rsa_key));
    chmod 0400, $c, $k;
    chmod 0700, $h->root . '/private';
    $h->config("SSLEngine on\nSSLCertificateFile $c\nSSLCertificateKeyFile $k\n");
    $h->start or return fail($h->why);
    is(presented($h->port), 'rsa.test', 'are read before the privileges are dropped');
    ok($h->graceful, 'and at a graceful restart');
    is(presented($h->port), 'rsa.test', 'again');
};

subtest 'a renewed certificate' => sub {
    my $h = serve("SSLCertificateFile conf/c.pem\nSSLCertificateKeyFile conf/k.pem", 'c.pem' => $rsa_crt, 'k.pem' => $rsa_key) or return;
    is(presented($h->port), 'rsa.test', 'before');
    $h->file('conf/c.pem', slurp(pki_file('a.crt')));
    $h->file('conf/k.pem', slurp(pki_file('a.key')));
    ok($h->graceful, 'graceful restart');
    my $got = ModSSL::Httpd::wait_for(10, sub { my $cn = presented($h->port); defined $cn && $cn eq 'a.test' && $cn });
    is($got, 'a.test', 'after');
};

done_testing;
