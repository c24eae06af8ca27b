# Every directive of the manual takes the arguments and the places it should, and refuses the others; the expectations
# are literal and hold for the stock module too, but for a short list of differences, each with its reason.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(pki_file openssl);

my $h = ModSSL::Httpd->new(minimal => 1, modules => [qw(authn_core authz_core proxy socache_shmcb socache_dbm)]);
my $prog = $h->cgi('phrase', "#!/bin/sh\necho phrase\n");
$h->file('dir/x', '');

# Where a line stands: [before it, after it]
my %PLACE = (
    server    => ['', ''],
    vhost     => ["<VirtualHost 127.0.0.1:\@port:https\@>\n", "</VirtualHost>\n"],
    directory => ["<Directory \@root\@/htdocs>\n", "</Directory>\n"],
    location  => ["<Location /x>\n", "</Location>\n"],
    files     => ["<Files x>\n", "</Files>\n"],
    proxy     => ["<Proxy https://a.test/>\n", "</Proxy>\n"],
);

# The test on lines of configuration: undef when they are accepted, else the output.
sub refused {
    my ($text, $place) = @_;
    my ($before, $after) = @{ $PLACE{ $place || 'server' } };
    $h->config("$before$text\n$after");
    my ($rc, $out) = $h->configtest;
    return undef if $rc == 0 && $out =~ /Syntax OK/;
    # not a crash: httpd's own way of saying no
    return $out =~ /Syntax error|AH\d{5}|not allowed|Invalid command/ ? $out : "exit status $rc: $out";
}

sub check {
    my ($place, $line, $want) = @_;
    my $out = refused($line, $place);
    my $name = join ' / ', split /\n/, $line;
    $name .= " ($place)" if $place ne 'server';
    if ($want eq 'ok') {
        is($out, undef, "accepted: $name");
    }
    else {
        like($out, qr/Syntax error on line \d+ of \S+httpd\.conf:\n./, "refused with a reason: $name");
    }
    return;
}

# --- arguments ------------------------------------------------------------------------------------

# directive => [what it accepts], [what it refuses]; at the server level
my $FILE  = [['@pki@/rsa.crt', '"@pki@/rsa.crt"'], ['', '@root@/nowhere.pem', '@root@/dir', '@pki@/empty.pem', '@pki@/rsa.crt x']];
my $DIR   = [['@pki@/ca-dir', '@pki@/ca-dir/'], ['', '@root@/nowhere', '@pki@/rsa.crt', '@pki@/ca-dir x']];
my $FLAG  = [['on', 'off', 'On', 'OFF'], ['', 'yes', '1', 'optional']];
my $SECONDS = [['0', '1', '300', '2147483647'], ['', '-2', '1 2']];
my $AGE   = [['0', '60'], ['', '-2', '1 2']];
my $TEXT  = [['http://127.0.0.1/x'], ['', 'http://127.0.0.1/ x']];
my $PROTOCOL = [
    ['all', 'ALL', 'all -SSLv3', '-all +TLSv1.2', '+TLSv1.2', '+TLSv1.2 +TLSv1.3', 'TLSv1.2', 'tlsv1.3', 'TLSv1.2 +TLSv1.3',
     'all -TLSv1 -TLSv1.1', '-SSLv2 all', 'all -SSLv2', '+TLSv1 +TLSv1.1', 'TLSv1.2 TLSv1.3'],
    ['SSLv2', '+SSLv2', 'SSLv3', '+SSLv3', 'TLSv1.4', 'none', 'all,-SSLv3', '- TLSv1.2', '+', 'TLSv1_2']];
my $CIPHERS = [
    ['HIGH:!aNULL', 'DEFAULT', 'ECDHE-RSA-AES128-GCM-SHA256', 'SSL HIGH', 'TLSv1.3 TLS_AES_128_GCM_SHA256',
     '"HIGH:!aNULL:@SECLEVEL=1"', 'PROFILE=SYSTEM'],
    ['', 'TLSv1.2 HIGH', 'nonsense HIGH', 'SSL HIGH x']];
my $LEVEL = [['none', 'optional', 'require', 'optional_no_ca', 'NONE', 'on', 'off'], ['', 'maybe', 'optional require', '1']];
my $DEPTH = [['0', '1', '10'], ['', '-1', '1 2']];
my $CRL   = [['none', 'leaf', 'chain', 'chain no_crl_for_cert_ok', 'leaf no_crl_for_cert_ok', 'CHAIN'],
             ['', 'on', 'chain other_flag', 'no_crl_for_cert_ok']];

# Some distributions' OpenSSL can compress records.
my $can_compress = openssl('list', '-disabled') !~ /^ZLIB$/m;
my $has_engines = ModSSL::Httpd::openssl_version() =~ /^3\./;

my @ARGUMENTS = (
    [SSLCACertificateFile      => $FILE],
    [SSLCACertificatePath      => $DIR],
    [SSLCADNRequestFile        => $FILE],
    [SSLCADNRequestPath        => $DIR],
    [SSLCARevocationCheck      => $CRL],
    [SSLCARevocationFile       => $FILE],
    [SSLCARevocationPath       => $DIR],
    [SSLCertificateChainFile   => $FILE],
    [SSLCertificateFile        => $FILE],
    [SSLCertificateFile        => [['pkcs11:token=x;object=y'], []]],
    [SSLCertificateKeyFile     => [['@pki@/rsa.key'], ['', '@root@/nowhere.key', '@root@/dir', '@pki@/rsa.key x']]],
    [SSLCertificateKeyFile     => [['pkcs11:token=x;object=y;pin-value=1234'], []]],
    [SSLCipherSuite            => $CIPHERS],
    [SSLCompression            => $can_compress ? [['off', 'on'], ['', 'maybe']] : [['off'], ['', 'on', 'maybe']]],
    [SSLCryptoDevice           => [['builtin', $has_engines ? () : 'pkcs11'], ['', $has_engines ? 'no-such-engine' : (), 'builtin builtin']]],
    [SSLEngine                 => [['on', 'off', 'On', 'OFF'], ['', 'yes', '1', 'on off']]],
    [SSLEngine                 => [['optional'], []]],
    [SSLFIPS                   => [['off'], ['', 'maybe']]],
    [SSLHonorCipherOrder       => $FLAG],
    [SSLInsecureRenegotiation  => $FLAG],
    [SSLLog                    => [[], ['logs/ssl.log']]],
    [SSLLogLevel               => [[], ['info']]],
    [SSLOCSPDefaultResponder   => $TEXT],
    [SSLOCSPEnable             => [['on', 'leaf', 'off', 'on no_ocsp_for_cert_ok', 'leaf no_ocsp_for_cert_ok', 'ON'],
                                   ['', 'chain', 'maybe', 'on other_flag']]],
    [SSLOCSPNoVerify           => $FLAG],
    [SSLOCSPNoverify           => $FLAG],
    [SSLOCSPOverrideResponder  => $FLAG],
    [SSLOCSPProxyURL           => [['http://127.0.0.1:8080/', 'http://127.0.0.1:8080'], ['', 'http://127.0.0.1/ x']]],
    [SSLOCSPResponderCertificateFile => $FILE],
    [SSLOCSPResponderTimeout   => $SECONDS],
    [SSLOCSPResponseMaxAge     => $AGE],
    [SSLOCSPResponseTimeSkew   => $SECONDS],
    [SSLOCSPUseRequestNonce    => $FLAG],
    [SSLOpenSSLConfCmd         => [['Curves X25519:P-256', 'Groups P-256', 'Options -SessionTicket', 'MinProtocol TLSv1.2',
                                    'SignatureAlgorithms RSA+SHA256', 'DHParameters @pki@/dh.pem', 'CipherString HIGH',
                                    'Ciphersuites TLS_AES_256_GCM_SHA384', 'RecordPadding 512', 'NumTickets 1',
                                    'ECDHParameters Automatic'],
                                   ['', 'Curves', 'NoSuchCommand x', 'Curves a b', 'DHParameters @root@/nowhere.pem']]],
    [SSLOptions                => [['+StdEnvVars', '-StdEnvVars', 'StdEnvVars', '+StdEnvVars +ExportCertData', '+FakeBasicAuth',
                                    '+StrictRequire', '+OptRenegotiate', '+LegacyDNStringFormat', '+stdenvvars',
                                    '+StdEnvVars -ExportCertData', 'StdEnvVars ExportCertData'],
                                   ['+NoSuchOption', 'StdEnvVars NoSuchOption', '+CompatEnvVars', '+']]],
    [SSLPassPhraseDialog       => [['builtin', '"|@root@/cgi/phrase"', 'exec:@root@/cgi/phrase', '"|@root@/cgi/phrase arg"'],
                                   ['', 'exec:@root@/nowhere', 'nonsense', 'builtin builtin']]],
    [SSLProtocol               => $PROTOCOL],
    [SSLProxyCACertificateFile => $FILE],
    [SSLProxyCACertificatePath => $DIR],
    [SSLProxyCARevocationCheck => $CRL],
    [SSLProxyCARevocationFile  => $FILE],
    [SSLProxyCARevocationPath  => $DIR],
    [SSLProxyCheckPeerCN       => $FLAG],
    [SSLProxyCheckPeerExpire   => $FLAG],
    [SSLProxyCheckPeerName     => $FLAG],
    [SSLProxyCipherSuite       => $CIPHERS],
    [SSLProxyEngine            => $FLAG],
    [SSLProxyMachineCertificateChainFile => $FILE],
    [SSLProxyMachineCertificateFile => $FILE],
    [SSLProxyMachineCertificatePath => $DIR],
    [SSLProxyProtocol          => $PROTOCOL],
    [SSLProxyVerify            => $LEVEL],
    [SSLProxyVerifyDepth       => $DEPTH],
    [SSLRandomSeed             => [['startup builtin', 'connect builtin', 'startup file:/dev/urandom 512', 'connect file:/dev/urandom',
                                    'startup exec:/bin/true', 'startup exec:/bin/true 16', 'STARTUP builtin', 'startup /dev/urandom 16',
                                    'startup file:/dev/random 1', 'startup BUILTIN', 'connect /dev/urandom'],
                                   ['', 'startup', 'sometimes builtin', 'startup builtin 512', 'startup file:@root@/nowhere',
                                    'startup exec:@root@/nowhere', 'startup egd:@root@/nowhere', 'startup file:', 'startup Builtin 5', 'startup file:/dev/urandom -1',
                                    'startup file:/dev/urandom 1 2']]],
    [SSLSessionCache           => [['none', 'nonenotnull', 'shmcb:@root@/run/cache', 'shmcb:@root@/run/cache(512000)',
                                    'shmcb:logs/cache(512000)', 'dbm:@root@/run/cache', 'NONE', 'shmcb', 'dbm'],
                                   ['', 'nonsense', 'nonsense:x', 'shmcb:@root@/run/cache(1)', 'shmcb:@root@/run/cache(x)',
                                    'none none']]],
    [SSLSessionCacheTimeout    => [['0', '1', '300', '2147483647'], ['', '-1', '1 2']]],
    [SSLSessionTicketKeyFile   => $FILE],
    [SSLSessionTickets         => $FLAG],
    [SSLSRPUnknownUserSeed     => [['secret', '"two words"'], ['', 'a b']]],
    [SSLSRPVerifierFile        => $FILE],
    [SSLStaplingCache          => [['shmcb:@root@/run/staple', 'shmcb:@root@/run/staple(128000)', 'dbm:@root@/run/staple', 'shmcb'],
                                   ['', 'nonsense:x', 'none', 'shmcb:@root@/run/staple(1)']]],
    [SSLStaplingErrorCacheTimeout    => [['0', '600'], ['', '-1', '1 2']]],
    [SSLStaplingFakeTryLater         => $FLAG],
    [SSLStaplingForceURL             => $TEXT],
    [SSLStaplingResponderTimeout     => [['0', '10'], ['', '-1', '1 2']]],
    [SSLStaplingResponseMaxAge       => $AGE],
    [SSLStaplingResponseTimeSkew     => $SECONDS],
    [SSLStaplingReturnResponderErrors => $FLAG],
    [SSLStaplingStandardCacheTimeout => [['0', '3600'], ['', '-1', '1 2']]],
    is_stock() ? () : ([SSLStaplingMustStaple => [['warn', 'refuse', 'REFUSE'], ['', 'on', 'warn refuse']]], [SSLStaplingStore => [['@root@/run/answers'], ['', 'a b']]],
                        [SSLStaplingProxyURL => [['http://127.0.0.1:8080/'], ['', 'http://127.0.0.1/ x']]]),
    [SSLStrictSNIVHostCheck    => $FLAG],
    [SSLUserName               => [['SSL_CLIENT_S_DN_CN', 'anything'], ['', 'a b']]],
    [SSLUseStapling            => $FLAG],
    [SSLVerifyClient           => $LEVEL],
    [SSLVerifyDepth            => $DEPTH],
    [SSLVHostSNIPolicy         => [['strict', 'secure', 'authonly', 'insecure', 'STRICT'], ['', 'none', 'on', 'strict secure']]],
    (is_stock() ? () : (
        [SSLProxyALPN               => [['http/1.1', 'a b', 'off'], ['', '""', 'a,b', 'x' x 256]]],
        [SSLProxyOCSPEnable         => [['on', 'leaf', 'off', 'on no_ocsp_for_cert_ok', 'ON'], ['', 'maybe', 'on maybe']]],
        [SSLProxyRequireCloseNotify => $FLAG],
        [SSLProxySessionCache       => $FLAG],
        [SSLProxySNI                => [['a.test', 'on', 'OFF'], ['', '""', '127.0.0.1', '"a b"', '::1', 'a b']]],
    )),
);

for (@ARGUMENTS) {
    my ($name, $accept_refuse) = @$_;
    my ($accept, $refuse) = map { [map { length $_ ? "$name $_" : $name } @$_] } @$accept_refuse;
    # All in one run, which is quick; each in one of its own only to learn which it is.
    my $together = join "\n", @$accept;
    if (!@$accept || !defined refused($together)) {
        pass("accepted: $name with " . @$accept . ' arguments');
    }
    else {
        check('server', $_, 'ok') for @$accept;
    }
    check('server', $_, 'no') for @$refuse;
}

# --- places ---------------------------------------------------------------------------------------

my @HOST  = qw(server vhost);
my @PLACES = (
    [[qw(server)],                                  # the whole server, never a virtual host
        'SSLCryptoDevice builtin', 'SSLFIPS off', 'SSLPassPhraseDialog builtin', 'SSLRandomSeed startup builtin',
        'SSLSessionCache none', 'SSLStaplingCache shmcb:@root@/run/staple', 'SSLVHostSNIPolicy secure',
        is_stock() ? () : 'SSLStaplingStore @root@/run/answers'],
    [[@HOST],
        (map { "$_ \@pki\@/rsa.crt" } qw(SSLCADNRequestFile SSLCARevocationFile SSLCertificateChainFile SSLCertificateFile
            SSLOCSPResponderCertificateFile SSLSRPVerifierFile SSLSessionTicketKeyFile)),
        'SSLCertificateKeyFile @pki@/rsa.key',
        (map { "$_ \@pki\@/ca-dir" } qw(SSLCADNRequestPath SSLCARevocationPath)),
        'SSLCARevocationCheck leaf', 'SSLProtocol TLSv1.2', 'SSLOpenSSLConfCmd Curves P-256', 'SSLSRPUnknownUserSeed x',
        'SSLCompression off', 'SSLOCSPEnable on', 'SSLOCSPDefaultResponder http://127.0.0.1/', 'SSLOCSPProxyURL http://127.0.0.1/',
        'SSLStaplingForceURL http://127.0.0.1/', (is_stock() ? () : ('SSLStaplingMustStaple warn', 'SSLStaplingProxyURL http://127.0.0.1/')), 'SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256',
        (map { "$_ on" } qw(SSLEngine SSLHonorCipherOrder SSLInsecureRenegotiation SSLOCSPNoVerify SSLOCSPOverrideResponder
            SSLOCSPUseRequestNonce SSLSessionTickets SSLStaplingFakeTryLater SSLStaplingReturnResponderErrors
            SSLStrictSNIVHostCheck SSLUseStapling)),
        (map { "$_ 60" } qw(SSLOCSPResponderTimeout SSLOCSPResponseMaxAge SSLOCSPResponseTimeSkew SSLSessionCacheTimeout
            SSLStaplingErrorCacheTimeout SSLStaplingResponderTimeout SSLStaplingResponseMaxAge SSLStaplingResponseTimeSkew
            SSLStaplingStandardCacheTimeout)),
        'SSLCACertificateFile @pki@/ca.crt', 'SSLCACertificatePath @pki@/ca-dir'],
    [[@HOST, 'proxy'],
        (map { "$_ \@pki\@/rsa.pem" } qw(SSLProxyCACertificateFile SSLProxyCARevocationFile SSLProxyMachineCertificateFile
            SSLProxyMachineCertificateChainFile)),
        (map { "$_ \@pki\@/ca-dir" } qw(SSLProxyCACertificatePath SSLProxyCARevocationPath SSLProxyMachineCertificatePath)),
        (map { "$_ off" } qw(SSLProxyCheckPeerCN SSLProxyCheckPeerExpire SSLProxyCheckPeerName)),
        'SSLProxyEngine on', 'SSLProxyCARevocationCheck none', 'SSLProxyCipherSuite HIGH', 'SSLProxyProtocol TLSv1.2',
        'SSLProxyCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256', 'SSLProxyVerify none', 'SSLProxyVerifyDepth 2'],
    [[@HOST, qw(directory location files proxy)],
        'SSLCipherSuite HIGH', 'SSLOptions +StdEnvVars', 'SSLUserName SSL_CLIENT_S_DN', 'SSLVerifyClient none', 'SSLVerifyDepth 2'],
    [[qw(directory location files proxy)],
        'SSLRenegBufferSize 1000', 'SSLRequireSSL', 'SSLRequire %{SSL_PROTOCOL} eq "x"'],
);
for (@PLACES) {
    my ($allowed, @lines) = @$_;
    my %allowed = map { $_ => 1 } @$allowed;
    for my $place (sort keys %PLACE) {
        if ($allowed{$place}) {
            my $out = refused(join("\n", @lines), $place);
            pass("accepted ($place): " . @lines . ' directives'), next if !defined $out;
        }
        check($place, $_, $allowed{$place} ? 'ok' : 'no') for @lines;
    }
}

# --- arguments of what stands in a directory only -------------------------------------------------

for (
    [ok => 'SSLRenegBufferSize 0'],
    [ok => 'SSLRenegBufferSize 131072'],
    [no => 'SSLRenegBufferSize'],
    [no => 'SSLRenegBufferSize -1'],
    [no => 'SSLRenegBufferSize 1 2'],
    [ok => 'SSLRequireSSL on'],
    [ok => 'SSLRequire true'],
    [ok => "SSLRequire (   %{SSL_CIPHER} !~ m/^(EXP|NULL)/ \\\n and %{SSL_CLIENT_S_DN_O} eq \"Snake Oil, Ltd.\" \\\n"
         . " and %{SSL_CLIENT_S_DN_OU} in {\"Staff\", \"CA\", \"Dev\"} \\\n and %{TIME_WDAY} >= 1 and %{TIME_WDAY} <= 5 ) \\\n"
         . " or %{REMOTE_ADDR} =~ m/^192\\.76\\.162\\.[0-9]+\$/"],
    [ok => 'SSLRequire %{SSL_VERSION_LIBRARY} =~ /OpenSSL/ and not %{HTTPS} ne "on"'],
    [ok => 'SSLRequire "foo" in PeerExtList("2.16.840.1.113730.1.13")'],
    [ok => "SSLRequire %{REMOTE_USER} in {\"a\"}\nSSLRequire true"],
    [ok => 'SSLRequire file("/etc/hostname") eq "x"'],
    [no => 'SSLRequire'],
    [no => 'SSLRequire %{SSL_CIPHER} eq'],
    [no => 'SSLRequire ( true'],
    [no => 'SSLRequire "a" like "b"'],
    [no => 'SSLRequire %{SSL_CIPHER} =~ m/(/'],
    [ok => 'SSLUserName SSL_CLIENT_S_DN_CN'],
    [no => 'SSLUserName'],
    [no => 'SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256'],
    [no => 'SSLCACertificateFile @pki@/ca.crt'],
    [no => 'SSLVerifyClient sometimes'],
    [no => 'SSLVerifyDepth -1'],
    [no => 'SSLOptions +NoSuchOption'],
    [ok => 'Require ssl'],
    [ok => 'Require ssl-verify-client'],
    [no => 'Require ssl on'],
    [no => 'Require ssl-verify-client on'],
    [ok => 'Require expr "%{SSL:SSL_PROTOCOL} == \'TLSv1.3\'"'],
) {
    my ($want, $line) = @$_;
    check('directory', $line, $want);
}

# --- other lines that this module gives a meaning to ----------------------------------------------

for (
    [ok => 'Mutex default ssl-cache'],
    [ok => 'Mutex file:@root@/run ssl-cache'],
    [ok => 'Mutex default ssl-stapling'],
    [ok => 'Mutex default ssl-stapling-refresh'],
    [no => 'Mutex default ssl-nonsense'],
    [ok => "<IfModule !ssl_module>\nNoSuchDirective\n</IfModule>\n<IfModule !mod_ssl.c>\nNoSuchDirective\n</IfModule>"],
    [no => 'SSLNoSuchDirective on'],
) {
    my ($want, $line) = @$_;
    check('server', $line, $want);
}

# --- differences ----------------------------------------------------------------------------------

for (
    ['SSLOCSPResponseMaxAge -1',     'no', 'ok', 'the manual calls -1 the default and says what it means'],
    ['SSLStaplingResponseMaxAge -1', 'no', 'ok', 'likewise'],
    ['SSLCipherSuite ssl HIGH',      'no', 'ok', 'words are taken in any case elsewhere too'],
    ['SSLRandomSeed startup egd:@root@/dir', 'no', 'ok', 'EGD is asked by the module itself; OpenSSL has no code for it any more'],
    ['SSLMutex default',             'no', 'ok', 'configurations of httpd 2.2 go on working'],
    ['SSLMutex file:@root@/run',     'no', 'ok', 'likewise'],
    ['SSLMutex nonsense:x',          'no', 'no', 'but its argument is checked'],
) {
    my ($line, $stock, $ours, $reason) = @$_;
    note "$line: $reason";
    check('server', $line, is_stock() ? $stock : $ours);
}

done_testing;
