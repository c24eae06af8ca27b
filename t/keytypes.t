# SPDX-License-Identifier: Apache-2.0
#
# Every kind of key and every signature it can make, alone and with others on one host; every form in which a private key is
# kept, encrypted or not. certfiles.t has the arrangements of certificates.
use strict;
use warnings;
use File::Temp;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file openssl slurp spew make_cert);

my $PHRASE = 'a phrase with blanks';
my $new = File::Temp->newdir;
chmod 0755, "$new";
for my $key (qw(p521 ed448)) {
    make_cert(dir => "$new", name => $key, key => $key, san => ['DNS:localhost', "DNS:$key.test"]);
}
# Global ID: certificates that once let exported browsers use strong ciphers
make_cert(dir => "$new", name => 'sgc', san => ['DNS:localhost'], ext => ['extendedKeyUsage=serverAuth,nsSGC,msSGC']);
make_cert(dir => "$new", name => 'only-sgc', san => ['DNS:localhost'], ext => ['extendedKeyUsage=nsSGC,msSGC']);
chmod 0644, glob "$new/*.key $new/*.pem";

# Where the files of NAME are: in the test PKI, or made above.
sub files {
    my ($name) = @_;
    my $base = -e "$new/$name.crt" ? "$new/$name" : pki_file("$name.crt") =~ s/\.crt\z//r;
    return "SSLCertificateFile $base.crt\nSSLCertificateKeyFile $base.key\n";
}

my $count = 0;
sub serve {
    my ($config, %files) = @_;
    my $h = ModSSL::Httpd->new(name => 'keytypes-' . ++$count, minimal => 1);
    my $exec = $h->cgi('dialog', "#!/bin/sh\necho '$PHRASE'\n");
    $h->file("conf/$_", $files{$_}) for keys %files;
    $h->config("SSLPassPhraseDialog exec:$exec\nSSLEngine on\n$config");
    return $h if $h->start;
    fail('starts');
    diag $h->why;
    return;
}

# The scheme, which newer clients name, and what OpenSSL 3.0 says instead.
my @KIND_OF = ([qr/^rsa_pkcs1_/, 'RSA'], [qr/^rsa_pss_/, 'RSA-PSS'], [qr/^ecdsa_/, 'ECDSA']);

# "CN, signature" that the server shows to a client that takes this signature only; verified. "nothing" without handshake.
sub signed {
    my ($port, $version, $algorithm) = @_;
    my $out = s_client(port => $port, args => [
        "-$version", '-sigalgs', $algorithm, '-cipher', 'ALL:@SECLEVEL=0', '-CAfile', pki_file('ca.crt'),
        $version eq 'tls1_2' ? ('-groups', 'P-256:P-384:P-521') : ()]);
    my ($cn) = $out =~ /^subject=.*?CN ?= ?([^\n,]+)/m or return 'nothing';
    my ($type) = $out =~ /^Peer signature type: (\S+)/m;
    $type = (map { $_->[1] } grep { ($type || '') =~ $_->[0] } @KIND_OF)[0] || $type;
    return $cn . ($out =~ /Verify return code: 0 / ? '' : ', not verified') . ', ' . ($type || '?');
}

# --- each kind alone: [certificate, version, signature asked for, signature type or nothing] --------------

my %alone = (
    rsa => [
        ['tls1_2', 'RSA+SHA256', 'RSA'], ['tls1_2', 'RSA+SHA512', 'RSA'], ['tls1_2', 'rsa_pss_rsae_sha256', 'RSA-PSS'],
        ['tls1_3', 'rsa_pss_rsae_sha384', 'RSA-PSS'], ['tls1_3', 'ecdsa_secp256r1_sha256', undef],
    ],
    rsapss => [
        ['tls1_2', 'rsa_pss_pss_sha256', 'RSA-PSS'], ['tls1_3', 'rsa_pss_pss_sha512', 'RSA-PSS'], ['tls1_3', 'rsa_pss_rsae_sha256', undef],
    ],
    ecdsa => [
        ['tls1_2', 'ECDSA+SHA256', 'ECDSA'], ['tls1_3', 'ecdsa_secp256r1_sha256', 'ECDSA'], ['tls1_3', 'ecdsa_secp384r1_sha384', undef],
    ],
    p384    => [['tls1_2', 'ECDSA+SHA384', 'ECDSA'], ['tls1_3', 'ecdsa_secp384r1_sha384', 'ECDSA']],
    p521    => [['tls1_2', 'ECDSA+SHA512', 'ECDSA'], ['tls1_3', 'ecdsa_secp521r1_sha512', 'ECDSA']],
    ed25519 => [['tls1_2', 'ed25519', 'Ed25519'], ['tls1_3', 'ed25519', 'Ed25519'], ['tls1_3', 'ed448', undef]],
    ed448   => [['tls1_2', 'ed448', 'Ed448'], ['tls1_3', 'ed448', 'Ed448'], ['tls1_3', 'ed25519', undef]],
);
for my $name (sort keys %alone) {
    my $h = serve(files($name)) or next;
    for (@{ $alone{$name} }) {
        my ($version, $algorithm, $type) = @$_;
        # the issuer's signature is RSA: only the leaf's is asked about
        my $got = signed($h->port, $version, !$type || $algorithm eq 'RSA+SHA256' ? $algorithm : "$algorithm:rsa_pkcs1_sha256");
        my $want = $type ? qr/^\Q$name\E\.test, (?:\Q$type\E|\L$type\E)$/ : qr/^nothing$/;
        like($got, $want, "$name, $version, $algorithm");
    }
}

# --- all on one host --------------------------------------------------------------------------------

my $h = serve(join '', map { files($_) } qw(rsa rsapss ecdsa ed25519 ed448));
if ($h) {
    for (
        ['rsa_pss_rsae_sha256', 'rsa.test'], ['rsa_pss_pss_sha256', 'rsapss.test'], ['ecdsa_secp256r1_sha256', 'ecdsa.test'],
        ['ed25519', 'ed25519.test'],         ['ed448', 'ed448.test'],
    ) {
        my ($algorithm, $cn) = @$_;
        like(signed($h->port, 'tls1_3', "$algorithm:rsa_pkcs1_sha256"), qr/^\Q$cn\E, /, "five kinds on one host: $algorithm");
    }
}
$h = serve(files('ecdsa') . files('p384'));
like(signed($h->port, 'tls1_3', 'ecdsa_secp384r1_sha384:rsa_pkcs1_sha256'), qr/^p384\.test, /, 'two of one kind: the later') if $h;
is(signed($h->port, 'tls1_3', 'ecdsa_secp256r1_sha256:rsa_pkcs1_sha256'), 'nothing', 'alone') if $h;

# --- Global ID --------------------------------------------------------------------------------------

for my $name (qw(sgc only-sgc)) {
    $h = serve(files($name)) or next;
    is(presented($h->port, version => $_), "$name.test", "$name: TLS $_") for '1.2', '1.3';
}

# --- forms of keys: [name, certificate, file of the key] ----------------------------------------------

sub encrypted { return openssl('pkcs8', '-topk8', '-in', pki_file("$_[0].key"), '-passout', "pass:$PHRASE", @_[1 .. $#_]) }
sub der {
    my ($command, $name) = @_;
    openssl($command, $command eq 'rsa' ? '-traditional' : (), '-in', pki_file("$name.key"), '-outform', 'DER', '-out', "$new/der");    # its comments go elsewhere
    return slurp("$new/der");
}
sub traditional { return openssl('pkey', '-traditional', '-in', pki_file("$_[0].key"), '-passout', "pass:$PHRASE", @_[1 .. $#_]) }
sub pem { return slurp(pki_file("$_[0].key")) }
my $bom = "\xEF\xBB\xBF";
my @forms = (
    ['PKCS#1 in DER',                        'rsa',     der('rsa', 'rsa')],
    ['SEC1 in DER',                          'ecdsa',   der('ec', 'ecdsa')],
    ['PKCS#8 in DER',                        'ecdsa',   openssl('pkey', '-in', pki_file('ecdsa.key'), '-outform', 'DER')],
    ['Ed25519, PKCS#8 in DER',               'ed25519', openssl('pkey', '-in', pki_file('ed25519.key'), '-outform', 'DER')],
    ['PKCS#8, PBES2 with AES-256',           'rsa',     encrypted('rsa', '-v2', 'aes-256-cbc')],
    ['PKCS#8, PBES2 with 3DES',              'rsa',     encrypted('rsa', '-v2', 'des3')],
    ['PKCS#8, PBES2 with HMAC SHA-512',      'ecdsa',   encrypted('ecdsa', '-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512')],
    ['PKCS#8, scrypt',                       'ecdsa',   encrypted('ecdsa', '-scrypt')],
    ['PKCS#8, PBES1 with 3DES',              'rsa',     encrypted('rsa', '-v1', 'PBE-SHA1-3DES')],
    ['RSA-PSS, encrypted',                   'rsapss',  encrypted('rsapss', '-v2', 'aes-256-cbc')],
    ['Proc-Type: 4,ENCRYPTED, AES-256',      'rsa',     traditional('rsa', '-aes256')],
    ['Proc-Type: 4,ENCRYPTED, 3DES',         'ecdsa',   traditional('ecdsa', '-des3')],
    ['Proc-Type, lines end with CR LF',      'rsa',     traditional('rsa', '-aes128') =~ s/\n/\r\n/gr],
    ['encrypted PKCS#8, CR LF',              'rsa',     encrypted('rsa', '-v2', 'aes-256-cbc') =~ s/\n/\r\n/gr],
    ['text before and after it',             'rsa',     "Bag Attributes\n  friendlyName: -----\n" . pem('rsa') . "the end\n"],
    ['text before an encrypted one',         'rsa',     "# the key\n\n" . encrypted('rsa', '-v2', 'aes-256-cbc')],
    ['after a certificate',                  'rsa',     slurp(pki_file('rsa.crt')) . pem('rsa')],
    ['after its EC parameters, encrypted',   'ecdsa',   openssl('ecparam', '-name', 'prime256v1') . traditional('ecdsa', '-aes256')],
    ['the first of two',                     'rsa',     pem('rsa') . pem('ecdsa')],
    ['no line end at the end',               'rsa',     pem('rsa') =~ s/\n\z//r],
    ['a byte order mark before it',          'rsa',     $bom . pem('rsa')],
    ['a byte order mark, encrypted',         'rsa',     $bom . encrypted('rsa', '-v2', 'aes-256-cbc')],
    ['blanks at the ends of lines',          'rsa',     pem('rsa') =~ s/\n/  \n/gr],
);
# The stock module takes this for no key at all.
my @ours = (
    ['encrypted PKCS#8 in DER',              'rsa',     encrypted('rsa', '-v2', 'aes-256-cbc', '-outform', 'DER')],
);
sub form {
    my ($name, $cert, $key) = @_;
    my $h = serve("SSLCertificateFile \@pki\@/$cert.crt\nSSLCertificateKeyFile conf/key\n", 'key' => $key) or return diag $name;
    is(presented($h->port, version => '1.2') // "none: $tls_error", "$cert.test", "key: $name");
}
form(@$_) for @forms;
SKIP: {
    skip 'the stock module does not take these', scalar @ours if is_stock();
    form(@$_) for @ours;
}

# --- certificates: [name, chain wanted, file] ---------------------------------------------------------

my ($leaf, $inter, $root) = map { slurp(pki_file("$_.crt")) } qw(chain-leaf inter ca);
my $CHAIN = 'chain.test < Test Intermediate CA';
my $dh = slurp(pki_file('dh.pem'));
my $ec = openssl('ecparam', '-name', 'secp384r1');
sub trusted { my ($name) = @_; return openssl('x509', '-trustout', '-in', pki_file("$name.crt")) }
for (
    ['parameters before it',                  $CHAIN, $dh . $ec . $leaf . $inter],
    ['parameters between leaf and chain',     $CHAIN, $leaf . $dh . $ec . $inter],
    ['encrypted key between leaf and chain',  $CHAIN, $leaf . encrypted('chain', '-v2', 'aes-256-cbc') . $inter],
    ['encrypted key first, Proc-Type',        $CHAIN, traditional('chain', '-aes256') . $leaf . $inter],
    ['everything, CR LF and text',            $CHAIN, "text\n$leaf\ntext\n$inter\n$dh$ec" . pem('chain') =~ s/\n/\r\n/gr],
    ['TRUSTED CERTIFICATE with a chain',      $CHAIN, trusted('chain-leaf') . $inter],
    ['TRUSTED CERTIFICATE in the chain, which is passed over', 'chain.test', $leaf . trusted('inter')],
    ['a byte order mark',                     $CHAIN, $bom . $leaf . $inter],
) {
    my ($name, $want, $file) = @$_;
    my $key = $file =~ /PRIVATE KEY/ ? '' : "SSLCertificateKeyFile \@pki\@/chain.key\n";
    my $h = serve("SSLCertificateFile conf/c.pem\n$key", 'c.pem' => $file) or do { diag $name; next };
    my ($chain) = s_client(port => $h->port, args => ['-showcerts']) =~ /^Certificate chain\n(.*?)^---\n/ms;
    is(join(' < ', ($chain // '') =~ /^ *\d+ s:.*?CN ?= ?([^\n,]+)/mg), $want, "certificate: $name");
}

done_testing;
