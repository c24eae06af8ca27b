# Directives of old versions and of products long gone (manual, ssl/ssl_compat.html) are refused with what to write instead,
# wherever they stand; the stock module knows SSLLog and SSLLogLevel only.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);

my $h = ModSSL::Httpd->new(minimal => 1);

# name and arguments => what to use, or undef: nothing takes its place
my @OLD = (
    ['SSLLog logs/ssl.log'          => 'ErrorLog'],
    ['SSLLogLevel info'             => 'LogLevel'],
    ['SSLEnable'                    => 'SSLEngine on'],
    ['SSLDisable'                   => 'SSLEngine off'],
    ['SSLLogFile logs/ssl.log'      => 'ErrorLog and LogLevel ssl:info'],
    ['SSLRequiredCiphers HIGH'      => 'SSLCipherSuite'],
    ['SSLRequireCipher A B'         => q(Require expr "%{SSL_CIPHER} in {'...'}")],
    ['SSLBanCipher A B'             => 'SSLCipherSuite with !NAME in the list'],
    ['SSLFakeBasicAuth'             => 'SSLOptions +FakeBasicAuth'],
    ['SSLCacheServerPath x'         => 'SSLSessionCache'],
    ['SSLCacheServerPort 1'         => 'SSLSessionCache'],
    ['SSLExportClientCertificates'  => 'SSLOptions +ExportCertData'],
    ['SSLCacheServerRunDir x'       => 'SSLSessionCache'],
    ['SSL_CertFile x'               => 'SSLCertificateFile'],
    ['SSL_KeyFile x'                => 'SSLCertificateKeyFile'],
    ['SSL_CipherSuite HIGH'         => 'SSLCipherSuite'],
    ['SSL_X509VerifyDir x'          => 'SSLCACertificatePath'],
    ['SSL_Log x'                    => 'ErrorLog and LogLevel ssl:info'],
    ['SSL_Connect on'               => 'SSLEngine'],
    ['SSL_ClientAuth 0'             => 'SSLVerifyClient'],
    ['SSL_X509VerifyDepth 1'        => 'SSLVerifyDepth'],
    ['SSL_FetchKeyPhraseFrom x'     => 'SSLPassPhraseDialog'],
    ['SSL_SessionDir x'             => 'SSLSessionCache'],
    ['SSL_Require x'                => 'Require expr'],
    ['SSL_CertFileType PEM'         => undef],
    ['SSL_KeyFileType PEM'          => undef],
    ['SSL_X509VerifyPolicy x'       => undef],
    ['SSL_LogX509Attributes x'      => 'CustomLog with %{SSL_CLIENT_S_DN}x'],
    ['StrongholdAccelerator x'      => 'SSLCryptoDevice'],
    ['StrongholdKey x'              => undef],
    ['StrongholdLicenseFile x'      => undef],
    ['SSLFlag on'                   => 'SSLEngine'],
    ['SSLSessionLockFile x'         => 'Mutex file:DIRECTORY ssl-cache'],
    ['SSLCipherList HIGH'           => 'SSLCipherSuite'],
    ['RequireSSL'                   => 'SSLRequireSSL'],
    ['SSLErrorFile x'               => 'ErrorLog'],
    ['SSLRoot x'                    => undef],
    ['SSL_CertificateLogDir x'      => undef],
    ['AuthCertDir x'                => 'SSLOptions +FakeBasicAuth'],
    ['SSL_Group x'                  => undef],
    ['SSLProxyMachineCertPath x'    => 'SSLProxyMachineCertificatePath'],
    ['SSLProxyMachineCertFile x'    => 'SSLProxyMachineCertificateFile'],
    ['SSLProxyCipherList HIGH'      => 'SSLProxyCipherSuite'],
    ['SSLProxyCipherSpec HIGH'      => 'SSLProxyCipherSuite'],
);

my %PLACE = (
    server    => '%s',
    vhost     => "<VirtualHost *:1>\n%s\n</VirtualHost>",
    directory => "<Directory /x>\n%s\n</Directory>",
);

sub refusal {
    my ($line, $place) = @_;
    $h->config(sprintf "$PLACE{$place}\n", $line);
    my ($rc, $out) = $h->configtest;
    return $rc == 0 ? 'accepted' : $out =~ /Syntax error on line \d+ of \S+httpd\.conf:\n(.*)/ ? $1 : $out;
}

for (@OLD) {
    my ($line, $instead) = @$_;
    my ($name) = split ' ', $line;
    my $want = "$name directive is no longer supported - "
             . (defined $instead ? "use $instead." : 'remove it; nothing takes its place.');
    if (is_stock() && $name !~ /^SSLLog(?:Level)?$/) {
        $want = "Invalid command '$name', perhaps misspelled or defined by a module not included in the server configuration";
    }
    is(refusal($line, 'server'), $want, $line);
}
for my $place (sort keys %PLACE) {
    like(refusal($_, $place), qr/^\Q$_\E directive is no longer supported - use /, "$_ ($place)") for 'SSLLog', 'SSLLogLevel';
    next if is_stock();
    like(refusal($_, $place), qr/^\Q$_\E directive is no longer supported - /, "$_ ($place)") for 'RequireSSL', 'SSLEnable', 'StrongholdKey';
}

# SSLMutex became Mutex in httpd 2.4 and goes on working.
is(refusal('SSLMutex default', 'server'), is_stock()
    ? "Invalid command 'SSLMutex', perhaps misspelled or defined by a module not included in the server configuration"
    : 'accepted', 'SSLMutex');
done_testing;
