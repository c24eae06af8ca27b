# SSLOpenSSLConfCmd: every command that fits a server, with values that are right and wrong; when a wrong one is found out (by
# httpd -t or at the start); what clients see of the right ones, and which wins over an SSL directive of the same meaning.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock openssl_version);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file pki_dir openssl slurp);

my $pki = pki_dir();
my $h = ModSSL::Httpd->new;
my $head = "SSLEngine on\nSSLCertificateFile $pki/rsa.crt\nSSLCertificateKeyFile $pki/rsa.key\n";

# One extension (0x1234, "abc") for the ServerHello and the Certificate message
$h->file('conf/info.pem', "-----BEGIN SERVERINFOV2 FOR TEST-----\n" . openssl_base64(pack 'NnnA3', 0x1d0, 0x1234, 3, 'abc')
    . "-----END SERVERINFOV2 FOR TEST-----\n");
$h->file('conf/dir/a.pem', slurp("$pki/client.crt"));
$h->file('conf/dh3072.pem', openssl('genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe3072'));

sub openssl_base64 { require MIME::Base64; return MIME::Base64::encode_base64($_[0]) }

# --- what is accepted ---------------------------------------------------------------------------------

my $no_numbers = openssl_version() !~ /^3\.[0-3]\./;    # those take what is no number for 0
my $three = openssl_version() =~ /^3\.[0-4]\./;    # later ones know more words in a list of groups
for (
    # command              accepted                     refused at the start         refused by httpd -t
    [Curves             => ['X25519:P-256', 'P-256'],   ['nonsense', 'P-256:nonsense'], ['']],
    [Groups             => ['P-256:P-384', 'secp384r1'], ['nonsense', $three ? '?nonsense:P-256' : ()], ['', 'a b']],
    [curves             => ['X25519'],                  [],                          []],
    [ECDHParameters     => ['Automatic', '+Automatic', 'automatic', 'P-384'], ['nonsense'], ['']],
    [SignatureAlgorithms => ['RSA+SHA256', 'ECDSA+SHA256', 'rsa_pss_rsae_sha256:RSA+SHA512'], ['nonsense', 'RSA+NOHASH'], ['']],
    [ClientSignatureAlgorithms => ['RSA+SHA256'],       ['nonsense'],                ['']],
    [CipherString       => ['HIGH', 'AES128-SHA', 'ALL:@SECLEVEL=0'], ['nonsense', 'aNULL', 'eNULL'], ['']],
    [Ciphersuites       => ['TLS_AES_256_GCM_SHA384'],  ['nonsense'],                ['']],
    [MinProtocol        => ['TLSv1.2', 'None'],         ['nonsense', 'TLSv1.4'],     ['']],
    [MaxProtocol        => ['TLSv1.2', 'None'],         ['nonsense'],                ['']],
    [Protocol           => ['"-ALL, TLSv1.2"', 'ALL,-TLSv1.3', '-TLSv1.3'], ['nonsense', 'ALL,nonsense'], ['']],
    [Options            => ['-SessionTicket', '-SessionTicket,ServerPreference', '"ServerPreference, PrioritizeChaCha"',
                            'Bugs,Compression,EmptyFragments,DHSingle,ECDHSingle', 'NoResumptionOnRenegotiation,NoRenegotiation',
                            'UnsafeLegacyRenegotiation,UnsafeLegacyServerConnect', 'EncryptThenMac,AllowNoDHEKEX,MiddleboxCompat',
                            'AntiReplay,ExtendedMasterSecret,CANames,KTLS'], ['nonsense', 'Bugs,nonsense'], ['']],
    [VerifyMode         => ['Request', 'Require', 'Once', 'RequestPostHandshake', 'RequirePostHandshake', 'Request,Once'],
                           ['Peer', 'nonsense'], ['']],
    [Certificate        => [],                          ["$pki/dh.pem", "$pki/ecdsa.crt"], ['', '@root@/nowhere', "$pki/empty.pem"]],
    [PrivateKey         => ["$pki/rsa.key"],            ["$pki/a.key", "$pki/mismatch.key", "$pki/dh.pem", "$pki/rsa-enc.key"], ['', '@root@/nowhere']],
    [ServerInfoFile     => ['conf/info.pem'],           ["$pki/dh.pem"],             ['', '@root@/nowhere']],
    [ChainCAFile        => ["$pki/ca.crt"],             ["$pki/dh.pem"],             ['', '@root@/nowhere']],
    [ChainCAPath        => ["$pki/ca-dir"],             [],                          ['', "$pki/ca.crt", '@root@/nowhere']],
    [VerifyCAFile       => ["$pki/bundle.crt"],         ["$pki/dh.pem"],             ['', '@root@/nowhere']],
    [VerifyCAPath       => ["$pki/ca-dir"],             [],                          ['', "$pki/ca.crt"]],
    [RequestCAFile      => ["$pki/ca.crt", "$pki/dh.pem"], [],                       ['', '@root@/nowhere']],
    [RequestCAPath      => ['conf/dir'],                [],                          ['', "$pki/ca.crt"]],
    [ClientCAFile       => ["$pki/ca.crt"],             [],                          ['', '@root@/nowhere']],
    [ClientCAPath       => ['conf/dir'],                [],                          ['', '@root@/nowhere']],
    [DHParameters       => ["$pki/dh.pem", 'conf/dh3072.pem'], ["$pki/rsa.crt"],     ['', "$pki/empty.pem", '@root@/conf', 'nowhere.pem']],
    [RecordPadding      => ['512', '0', '16384', $no_numbers ? () : 'x'], ['16385', $no_numbers ? 'x' : ()],                   ['']],
    [NumTickets         => ['0', '1', '4', 'x'],        ['-1'],                      ['']],
    # the words of a command line, and what is none
    (map { [$_ => [], [], ['x', 'P-256']] } qw(-cipher cipher -curves curve -groups -sigalgs -client_sigalgs -named_curve -min_protocol
        -max_protocol -ciphersuites -serverpref -no_ticket -bugs -record_padding -num_tickets -dhparam -cert -key -strict -no_tls1_3
        -legacy_renegotiation -requestCAfile -verifyCAfile NoSuchCommand AntiReplay)),
) {
    my ($name, $accepted, $at_start, $at_test) = @$_;
    my $lines = join '', map { "SSLOpenSSLConfCmd $name $_\n" } @$accepted;
    if (@$accepted) {
        $h->config("$head$lines");
        my $started = $h->start;
        ok($started, "$name: accepted: @$accepted") or diag $h->why;
        $h->stop if $started;
    }
    for my $value (@$at_start) {
        $h->config("${head}SSLOpenSSLConfCmd $name $value\n");
        my ($rc) = $h->configtest;
        my $why = $h->start_fails;
        # a certificate or key that remains without the other
        my $number = $value =~ m{/(?:ecdsa\.crt|a\.key)$} ? 'AH02572' : 'AH02407';
        ok($rc == 0 && defined $why && $why =~ /$number:? .*/, "$name: refused at the start: $value") or diag $why // 'it starts';
        like($why, qr/$number: localhost:443: "SSLOpenSSLConfCmd $name \Q$value\E\S*" \(\S+httpd\.conf:\d+\) failed: ./, '... with command, file and line')
            if !is_stock() && $number eq 'AH02407';
    }
    for my $value (@$at_test) {
        $h->config("${head}SSLOpenSSLConfCmd $name $value\n");
        my ($rc, $out) = $h->configtest;
        ok($rc != 0 && $out =~ /Syntax error on line \d+ of \S+httpd\.conf:\n./, "$name: refused by httpd -t: $value");
    }
}

# --- what clients see ---------------------------------------------------------------------------------

# Newer clients print the names of the TLS 1.3 registry.
sub algorithms { return $_[0] =~ s/rsa_pkcs1_sha/RSA+SHA/gr =~ s/ecdsa_secp\d+r1_sha/ECDSA+SHA/gr }

# The facts of a connection with openssl s_client
my %FACT = (
    version => sub { $_[0] =~ /^New, (\S+), Cipher is \(NONE\)/m ? 'none' : $_[0] =~ /^ +Protocol *: (\S+)/m ? $1 : $_[0] =~ /^New, (\S+),/m ? $1 : 'none' },
    cipher  => sub { $_[0] =~ /Cipher is (\S+)/ ? $1 : 'none' },
    temp    => sub { $_[0] =~ /^(?:Server|Peer) Temp Key: (.*)$/m ? $1 =~ s/^ECDH, |, \d+ bits$//gr =~ s/secp(\d+)r1/P-$1/r : 'none' },
    digest  => sub { $_[0] =~ /^Peer signing digest: (.*)$/m ? $1 : 'none' },
    subject => sub { $_[0] =~ /^subject=.*CN ?= ?([^,\n]+)/m ? $1 : 'none' },
    chain   => sub { scalar(() = $_[0] =~ /^ *\d+ s:/mg) },
    cas     => sub { $_[0] =~ /^Acceptable client certificate CA names\n.*CN ?= ?(.*)/m ? $1 : 'none' },
    alert   => sub { $_[0] =~ /SSL alert number (\d+)/ ? $1 : 'none' },
    tickets => sub { scalar(() = $_[0] =~ /^Post-Handshake New Session Ticket/mg) },
    ticket12 => sub { $_[0] =~ /TLS session ticket:/ ? 'yes' : 'no' },
    sigalgs => sub { $_[0] =~ /^Requested Signature Algorithms: (.*)$/m ? algorithms($1) : 'none' },
    ems     => sub { $_[0] =~ /Extended master secret: (\S+)/ ? $1 : 'none' },
    status  => sub { $_[0] =~ m{^HTTP/1\.1 (\d+)}m ? $1 : 'none' },
    info    => sub { $_[0] =~ /SERVERINFO FOR EXTENSION (\d+)/ ? $1 : 'none' },
);

sub see {
    my ($fact, @args) = @_;
    my $out = s_client(port => $h->port, args => \@args, input => "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    return $FACT{$fact}->($out);
}

my $C = 'SSLOpenSSLConfCmd';
my @client = ('-cert', pki_file('client.crt'), '-key', pki_file('client.key'));
for (
    # lines, then fact => [what, by which client]
    ["SSLProtocol all -TLSv1.3\n$C MaxProtocol TLSv1.3", version => 'TLSv1.3'],
    ["SSLProtocol TLSv1.3\n$C MinProtocol TLSv1.2", version => 'TLSv1.2', '-tls1_2'],
    ["SSLProtocol TLSv1.3\n$C MinProtocol None", version => 'TLSv1.2', '-tls1_2'],
    ["$C MaxProtocol TLSv1.2\nSSLProtocol all", version => 'TLSv1.2'],
    ["$C Protocol \"-ALL, TLSv1.2\"", version => 'TLSv1.2'],
    ["$C Protocol -ALL", alert => 70],
    ["$C Protocol -TLSv1.3\nSSLProtocol all", version => 'TLSv1.2'],
    ["SSLCipherSuite AES256\n$C CipherString AES128-SHA", cipher => 'AES128-SHA', '-tls1_2'],
    ["$C CipherString AES128-SHA\nSSLCipherSuite AES256", cipher => 'AES128-SHA', '-tls1_2'],
    ["$C CipherString ALL:\@SECLEVEL=0", alert => 40, '-tls1_2', '-cipher', 'aNULL:@SECLEVEL=0'],
    ["$C cipherstring ALL:eNULL:\@SECLEVEL=0", alert => 40, '-tls1_2', '-cipher', 'aNULL:eNULL:@SECLEVEL=0'],
    ["SSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384\n$C Ciphersuites TLS_AES_128_GCM_SHA256", cipher => 'TLS_AES_128_GCM_SHA256'],
    ["SSLHonorCipherOrder on\nSSLCipherSuite AES256-SHA:AES128-SHA\n$C Options -ServerPreference", cipher => 'AES128-SHA', '-tls1_2', '-cipher', 'AES128-SHA:AES256-SHA'],
    ["SSLHonorCipherOrder off\nSSLCipherSuite AES256-SHA:AES128-SHA\n$C Options ServerPreference", cipher => 'AES256-SHA', '-tls1_2', '-cipher', 'AES128-SHA:AES256-SHA'],
    ["SSLSessionTickets off\n$C Options SessionTicket", ticket12 => 'yes', '-tls1_2'],
    ["SSLSessionTickets off\n$C Options SessionTicket", tickets => is_stock() ? 2 : 1, '-tls1_3'],
    ["$C Options -SessionTicket", ticket12 => 'no', '-tls1_2'],
    (map { ["$C NumTickets $_", tickets => $_, '-tls1_3'] } 0, 1, 3),
    ["$C Groups P-384", temp => 'P-384'],
    ["$C Curves P-384", temp => 'P-384', '-tls1_2'],
    ["$C Groups P-384\n$C Curves P-521", temp => 'P-521'],
    ["$C Groups P-384\n$C ECDHParameters Automatic", temp => 'P-384'],
    ["$C ECDHParameters P-521", temp => 'P-521', '-tls1_2'],
    ["$C Groups P-384", alert => 40, '-groups', 'P-256'],
    ["$C SignatureAlgorithms rsa_pss_rsae_sha512", digest => 'SHA512'],
    ["$C SignatureAlgorithms RSA+SHA512", digest => 'SHA512', '-tls1_2'],
    ["$C SignatureAlgorithms ECDSA+SHA512", alert => 40, '-tls1_2'],
    ["SSLVerifyClient optional\nSSLCACertificateFile $pki/ca.crt\n$C ClientSignatureAlgorithms RSA+SHA512:ECDSA+SHA384", sigalgs => 'RSA+SHA512:ECDSA+SHA384'],
    ["$C VerifyMode Require", alert => 116],
    ["SSLVerifyClient none\n$C VerifyMode Require", alert => 40, '-tls1_2'],
    ["$C VerifyMode Request\n$C VerifyCAFile $pki/ca.crt", status => 200, '-tls1_2', @client],
    ["SSLVerifyClient require\nSSLCACertificateFile $pki/ca.crt\n$C VerifyMode Request", alert => 40, '-tls1_2'],
    ["SSLVerifyClient require\n$C VerifyCAFile $pki/ca.crt", status => 200, '-tls1_2', @client],
    ["SSLVerifyClient require\nSSLCACertificateFile $pki/ca2.crt\n$C VerifyCAFile $pki/ca.crt", status => 200, '-tls1_2', @client],
    ["SSLVerifyClient require\nSSLCACertificateFile $pki/ca2.crt\n$C VerifyCAFile $pki/ca.crt", cas => 'Other Root CA', '-tls1_2', @client],
    ["SSLVerifyClient optional\nSSLCACertificateFile $pki/ca.crt\n$C RequestCAFile $pki/ca2.crt", cas => 'Test Root CA'],
    ["SSLVerifyClient optional\n$C RequestCAFile $pki/ca2.crt", cas => 'Other Root CA'],
    ["SSLVerifyClient optional\n$C ClientCAPath conf/dir", cas => qr/^Test Client/],
    ["$C Certificate $pki/ecdsa.crt\n$C PrivateKey $pki/ecdsa.key", subject => 'ecdsa.test', '-tls1_2', '-cipher', 'aECDSA'],
    ["$C Certificate $pki/ecdsa.crt\n$C PrivateKey $pki/ecdsa.key", subject => 'rsa.test', '-tls1_2', '-cipher', 'aRSA'],
    ["$C Certificate $pki/chain.crt\n$C PrivateKey $pki/chain.key", subject => 'chain.test'],
    ["$C Certificate $pki/chain.crt\n$C PrivateKey $pki/chain.key", chain => 2],
    ["SSLCipherSuite ALL\n$C DHParameters $pki/dh.pem", temp => 'DH', '-tls1_2', '-cipher', 'DHE'],
    ["$C Options -ExtendedMasterSecret", ems => 'no', '-tls1_2'],
    ["$C ServerInfoFile conf/info.pem", info => 4660, '-tls1_2', '-serverinfo', '4660'],
    ["$C RecordPadding 512", status => 200],
) {
    my ($lines, $fact, $want, @args) = @$_;
    my $name = join ' / ', split /\n/, $lines;
    $name =~ s/SSLOpenSSLConfCmd //g;
    $h->config("$head$lines\n");
    $h->start or do { fail($name); diag $h->why; next };
    my $got = see($fact, @args);
    ref $want ? like($got, $want, "$name: $fact") : is($got, $want, "$name: $fact");
    $h->stop;
}

subtest 'certificate and key by commands alone' => sub {
    $h->config("SSLEngine on\n$C Certificate $pki/a.crt\n$C PrivateKey $pki/a.key\n");
    $h->start or return fail($h->why);
    is(see('subject'), 'a.test', 'are served');
    $h->stop;
};

subtest 'files that only root may read' => sub {
    plan skip_all => 'not root' if $> != 0;
    my @files = map { $h->file("private/$_", slurp("$pki/a.$_")) } qw(crt key);
    chmod 0700, $h->root . '/private';
    $h->config("SSLEngine on\n$C Certificate $files[0]\n$C PrivateKey $files[1]\n");
    $h->start or return fail($h->why);
    is(see('subject'), 'a.test', 'are read before the privileges are dropped');
    $h->stop;
};

# A changed file or directory counts at the next restart.
subtest 'restarts' => sub {
    my ($crt, $key) = map { $h->file("conf/x.$_", slurp("$pki/a.$_")) } qw(crt key);
    $h->file('conf/dir2/a.pem', slurp("$pki/ca.crt"));
    $h->config("SSLEngine on\nSSLVerifyClient optional\n$C Certificate $crt\n$C PrivateKey $key\n$C ClientCAPath conf/dir2\n$C Groups P-384\n");
    $h->start or return fail($h->why);
    is(see('subject'), 'a.test', 'certificate');
    is(see('cas'), 'Test Root CA', 'names of CAs');
    is(see('temp'), 'P-384', 'group');
    ok($h->graceful, 'nothing changed');
    is(see('subject'), 'a.test', 'certificate');
    is(see('temp'), 'P-384', 'group');
    $h->file("conf/x.$_", slurp("$pki/b.$_")) for qw(crt key);
    $h->file('conf/dir2/a.pem', slurp("$pki/ca2.crt"));
    ok($h->graceful, 'all changed');
    is(see('subject'), 'b.test', 'certificate');
    is(see('cas'), 'Other Root CA', 'names of CAs');
    is(see('temp'), 'P-384', 'group');
    $h->stop;
};

# --- name-based virtual hosts -------------------------------------------------------------------------

sub vhost {
    my ($name, $lines) = @_;
    return "<VirtualHost 127.0.0.1:\@port:https\@>\nServerName $name.test\n$head$lines</VirtualHost>\n";
}
my %value = (
    digest => [map { "$C SignatureAlgorithms $_\n" } 'RSA+SHA512:rsa_pss_rsae_sha512', 'RSA+SHA384:rsa_pss_rsae_sha384'],
    temp   => [map { "$C Groups $_\n" } 'P-384', 'P-521'],
    version => [map { "$C MaxProtocol $_\n" } 'TLSv1.2', 'TLSv1.3'],
    tickets => [map { "$C NumTickets $_\n" } 1, 3],
);
for (
    # fact => first host, second, third: value of the table above or none; what clients of each see
    [digest => [0, 1, undef], ['SHA512', 'SHA384', 'SHA256']],
    [digest => [undef, 0, 1], ['SHA256', 'SHA512', 'SHA384']],
    [temp   => [0, 1, undef], ['P-384', 'P-521', 'X25519'], ['P-384', 'P-384', 'P-384']],
    [temp   => [undef, 0, 1], ['X25519', 'P-384', 'P-521'], ['X25519', 'X25519', 'X25519']],
    [version => [0, 1, undef], ['TLSv1.2', 'TLSv1.3', 'TLSv1.3'], ['TLSv1.2', 'TLSv1.2', 'TLSv1.2']],
    [tickets => [undef, 0, 1], [1, 1, 3], [2, 2, 2]],
) {
    my ($fact, $values, $want, $stock) = @$_;
    my @hosts = qw(first second third);
    my $lines = join '', map { vhost($hosts[$_], defined $values->[$_] ? $value{$fact}[$values->[$_]] : '') } 0 .. 2;
    # The stock module leaves these as the first host has them.
    $want = $stock if $stock && is_stock();
    $h->config($lines);
    $h->start or do { fail($h->why); next };
    my @groups = ('-groups', 'X25519:P-256:P-384:P-521');
    for my $client ($fact =~ /^(?:version|tickets)$/ ? [] : (['-tls1_2', @groups], ['-tls1_3', @groups])) {
        my @got = map { see($fact, @$client, '-servername', "$_.test") } @hosts;
        is("@got", "@$want", join ' ', "$fact of three hosts", @$client);
    }
    $h->stop;
}

done_testing;
