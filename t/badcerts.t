# A certificate or key that cannot be used keeps the server from starting, at once, with a message that names the file
# at fault and says what to do; under the stock module only the refusal itself is checked.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client;
use ModSSL::PKI qw(pki_file openssl slurp spew PASS);

my $pki = ModSSL::PKI::pki_dir();
my $h = ModSSL::Httpd->new;
my ($crt, $key) = map { slurp(pki_file($_)) } qw(rsa.crt rsa.key);

# file name => contents
my %bad = (
    'empty'     => '',
    'blank'     => "\n\n",
    'text'      => "this is not a certificate\n",
    'armour'    => slurp(pki_file('garbage.pem')),
    'truncated' => substr($crt, 0, 400),
    'no-end'    => $crt =~ s/-----END CERT.*//sr,
    'bad-base64' => $crt =~ s/\n(.{20})....(.*)\n/\n$1!?#_$2\n/r,
    'request'   => openssl('req', '-new', '-config', '/etc/ssl/openssl.cnf', '-key', pki_file('rsa.key'), '-subj', '/CN=x'),
    'zeros'     => "\0" x 5000,
    'trunc.der' => substr(slurp(pki_file('rsa.crt.der')), 0, 300),
);
my %bad_key = (
    'key-truncated' => substr($key, 0, 700),
    'key-armour'    => "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n",
    'key-text'      => "no key\n",
    'key-public'    => openssl('pkey', '-in', pki_file('rsa.key'), '-pubout'),
    'key-trunc.der' => substr(slurp(pki_file('rsa.key.der')), 0, 300),
);
$h->file("conf/$_", $bad{$_}) for keys %bad;
$h->file("conf/$_", $bad_key{$_}) for keys %bad_key;
openssl('pkcs12', '-export', '-in', pki_file('rsa.crt'), '-inkey', pki_file('rsa.key'), '-passout', 'pass:x', '-out', $h->root . '/conf/pkcs12.p12');
chmod 0644, $h->root . '/conf/pkcs12.p12';
mkdir $h->root . '/conf/directory';

# Starting fails, by itself and soon; ours names every file of @$named and says what matches $saying.
sub refuses {
    my ($name, $lines, $named, $saying) = @_;
    subtest $name => sub {
        unlink $h->root . '/logs/error_log';
        $h->config("SSLEngine on\n$lines\n");
        my $why = $h->start_fails;
        ok(defined $why, 'does not start') or return;
        unlike($why, qr/neither answered nor ended/, 'and ends by itself');
        my ($status) = $why =~ /\(exit status (\d+)\)/;
        is($status, 1, 'with exit status 1');
        return if is_stock();
        like($why, qr/\Q$_\E/, "names $_") for @$named;
        like($why, $saying, "says $saying") if $saying;
        like($why, qr/\[ssl:(?:emerg|error|crit)\]|Syntax error/, 'as an error of this module');
        is(() = $why =~ /(?<!\d)0x[0-9a-f]{6,}/g, 0, 'without addresses');
    };
}

my $KEY  = "SSLCertificateKeyFile $pki/rsa.key";
my $CERT = "SSLCertificateFile $pki/rsa.crt";

refuses('no such certificate', "SSLCertificateFile conf/nowhere\n$KEY", ['conf/nowhere']);
refuses('no such key', "$CERT\nSSLCertificateKeyFile conf/nowhere", ['conf/nowhere']);
refuses('no such chain', "$CERT\n$KEY\nSSLCertificateChainFile conf/nowhere", ['conf/nowhere']);
refuses('a directory', "SSLCertificateFile conf/directory\n$KEY", ['conf/directory']);
refuses("certificate: $_", "SSLCertificateFile conf/$_\n$KEY", ["conf/$_"]) for sort keys %bad;
refuses("key: $_", "$CERT\nSSLCertificateKeyFile conf/$_", ["conf/$_"]) for sort keys %bad_key;
refuses("chain: $_", "$CERT\n$KEY\nSSLCertificateChainFile conf/$_", ["conf/$_"]) for qw(armour truncated);
refuses('a key instead of a certificate', "SSLCertificateFile $pki/rsa.key\n$KEY", ["$pki/rsa.key"], qr/key/i);
refuses('a certificate instead of a key', "$CERT\nSSLCertificateKeyFile $pki/ecdsa.crt", ["$pki/ecdsa.crt"]);
refuses('certificate and key exchanged', "SSLCertificateFile $pki/rsa.key\nSSLCertificateKeyFile $pki/rsa.crt", ["$pki/rsa.key"]);
refuses('PKCS#12', "SSLCertificateFile conf/pkcs12.p12", ['conf/pkcs12.p12'], qr/PKCS.?#?12/i);
refuses('PKCS#12 as the key', "$CERT\nSSLCertificateKeyFile conf/pkcs12.p12", ['conf/pkcs12.p12'], qr/PKCS.?#?12/i);
refuses('no key anywhere', $CERT, ["$pki/rsa.crt"], qr/SSLCertificateKeyFile|key/);
refuses('a certificate request', "SSLCertificateFile conf/request\n$KEY", ['conf/request']);

my $BOTH = qr/match/i;
refuses('key of the same kind that does not match', "$CERT\nSSLCertificateKeyFile $pki/mismatch.key",
    ["$pki/rsa.crt", "$pki/mismatch.key"], $BOTH);
refuses('key of another kind', "$CERT\nSSLCertificateKeyFile $pki/ecdsa.key", ["$pki/rsa.crt", "$pki/ecdsa.key"]);
refuses('one of two pairs does not match',
    "SSLCertificateFile $pki/ecdsa.crt\nSSLCertificateKeyFile $pki/ecdsa.key\n$CERT\nSSLCertificateKeyFile $pki/mismatch.key",
    ["$pki/rsa.crt", "$pki/mismatch.key"], $BOTH);
refuses('no certificate at all', '', [$h->root . '/conf/httpd.conf'], qr/SSLCertificateFile/);
refuses('encrypted key and no terminal', "$CERT\nSSLCertificateKeyFile $pki/rsa-enc.key", ["$pki/rsa-enc.key"], qr/pass phrase/i);
refuses('a key too short for the security level', "SSLCertificateFile $pki/weak.crt\nSSLCertificateKeyFile $pki/weak.key",
    ["$pki/weak.crt"], qr/small|weak|short/i);

# Root reads everything, so this server is started by somebody else.
subtest 'unreadable' => sub {
    plan skip_all => 'needs root to become another user' if $> != 0;
    my $mine = ModSSL::Httpd->new(name => 'badcerts-unreadable');
    my $root = $mine->root;
    my ($uid, $gid) = (getpwnam 'www-data')[2, 3];
    chown $uid, $gid, "$root/logs", "$root/run";
    for my $case (['certificate', 'c.pem', "SSLCertificateFile conf/c.pem\n$KEY"], ['key', 'k.pem', "$CERT\nSSLCertificateKeyFile conf/k.pem"]) {
        my ($what, $file, $lines) = @$case;
        chmod 0600, $mine->file('conf/c.pem', $crt), $mine->file('conf/k.pem', $key);
        $mine->config("SSLEngine on\n$lines\n");
        unlink "$root/logs/error_log";
        my $out = `timeout 100 setpriv --reuid=$uid --regid=$gid --clear-groups @{[ ModSSL::Httpd::httpd_binary() ]} -d $root -f $root/conf/httpd.conf -DFOREGROUND 2>&1 </dev/null`;
        is($? >> 8, 1, "$what: does not start, exit status 1");
        next if is_stock();
        $out .= $mine->errorlog;
        like($out, qr{conf/\Q$file\E}, 'names the file');
        like($out, qr/[Pp]ermission denied/, 'and the cause');
    }
};

# The message names the virtual host too: with hundreds of them the file alone is a long search.
SKIP: {
    skip 'messages of ours', 1 if is_stock();
    $h->config(<<"CONF");
<VirtualHost *:\@port:https\@>
    ServerName good.test
    SSLEngine on
    $CERT
    $KEY
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName wrong.test
    SSLEngine on
    $CERT
    SSLCertificateKeyFile $pki/mismatch.key
</VirtualHost>
CONF
    like($h->start_fails, qr/wrong\.test/, 'names the virtual host at fault');
}

# An expired certificate is no reason not to serve.
for my $name (qw(expired notyet selfsigned)) {
    $h->config("SSLEngine on\nSSLCertificateFile $pki/$name.crt\nSSLCertificateKeyFile $pki/$name.key\n");
    ok($h->start, "$name certificate: starts") or diag $h->why;
    is(ModSSL::Client::presented($h->port), "$name.test", 'and serves it');
    $h->stop;
}

# Nor is a chain file that holds no certificate: the stock module takes it.
$h->config("SSLEngine on\n$CERT\n$KEY\nSSLCertificateChainFile conf/text\n");
ok($h->start, 'a chain file without a certificate: starts') or diag $h->why;
is(ModSSL::Client::presented($h->port), 'rsa.test', 'and serves the certificate');
$h->stop;

# What is wrong must not matter where the engine is off.
$h->config("SSLEngine off\nSSLCertificateFile conf/text\nSSLCertificateKeyFile $pki/mismatch.key\n");
ok($h->start, 'unusable files and SSLEngine off: starts') or diag $h->why;
$h->stop;

# A broken file at a restart: the server ends rather than going on without TLS, and says why.
$h->config("SSLEngine on\n$CERT\n$KEY\n");
$h->start or die $h->why;
$h->config("SSLEngine on\nSSLCertificateFile conf/text\n$KEY\n");
ok(!$h->graceful, 'a graceful restart with a bad certificate');
ok(!$h->alive, 'ends the server');
SKIP: {
    skip 'messages of ours', 1 if is_stock();
    like($h->errorlog, qr{conf/text}, 'and the log says why');
}

done_testing;
