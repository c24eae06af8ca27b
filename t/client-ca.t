# Which CAs vouch for clients (SSLCACertificateFile, SSLCACertificatePath) and which are named to them (SSLCADNRequestFile,
# SSLCADNRequestPath): in the handshake, and when a directory asks.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file);

# port => [configuration, names sent, clients that are accepted, clients that are not]
my %CASES = (
    file   => ['SSLCACertificateFile @pki@/ca.crt', ['Test Root CA'], ['client', 'client-inter'], ['client2']],    # which sends its intermediate
    bundle => ['SSLCACertificateFile @pki@/bundle.crt', ['Other Root CA', 'Test Intermediate CA', 'Test Root CA'], ['client', 'client2', 'client-inter'], []],
    path   => ['SSLCACertificatePath @pki@/ca-dir', ['Test Intermediate CA', 'Test Root CA'], ['client', 'client-inter'], ['client2']],
    dnfile => ["SSLCACertificateFile \@pki\@/bundle.crt\nSSLCADNRequestFile \@pki\@/ca2.crt", ['Other Root CA'], ['client', 'client2'], []],
    dnpath => ["SSLCACertificateFile \@pki\@/ca2.crt\nSSLCADNRequestPath \@pki\@/ca-dir", ['Test Intermediate CA', 'Test Root CA'], ['client2'], ['client']],
);
my $config = join '', map { my $port = $_; map { <<"END" } ["$port", 'SSLVerifyClient optional'], ["${port}_dir", ''] } sort keys %CASES;
<VirtualHost 127.0.0.1:\@port:$_->[0]\@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
    SSLVerifyDepth 2
    SSLOptions +StdEnvVars
    $CASES{$port}[0]
    $_->[1]
    <Location /cgi/env/require>
        SSLVerifyClient require
    </Location>
</VirtualHost>
END
my $h = ModSSL::Httpd->new(listen => [map { ($_, "${_}_dir") } sort keys %CASES], config => $config);
$h->start or BAIL_OUT($h->why);

for my $port (sort keys %CASES) {
    my (undef, $names, $accepted, $refused) = @{ $CASES{$port} };
    for my $version ('1_2', '1_3') {
        my $out = s_client(port => $h->port($port), args => ["-tls$version"], input => "Q\n", ign_eof => 0);
        my ($list) = $out =~ /^Acceptable client certificate CA names\n(.*?)^(?:Client Certificate Types|Requested|Shared)/ms;
        is_deeply([sort(($list // '') =~ /CN ?= ?(.*)$/mg)], $names, "$port: TLS $version: names sent");
    }
    for my $client ((map { [$_, 'SUCCESS'] } @$accepted), map { [$_, undef] } @$refused) {
        for my $version ('1.2', '1.3') {
            for my $where ($port, "${port}_dir") {
                my $s = tls_connect(port => $h->port($where), version => $version, client => $client->[0]);
                my $r = $s && http_get($s, $where eq $port ? "/cgi/env" : "/cgi/env/require", "localhost");
                my ($verify) = $r ? $r->{body} =~ /^SSL_CLIENT_VERIFY=(.*)$/m : ();
                is($verify, $client->[1], "$where: TLS $version: $client->[0]") or diag $s ? $r ? $r->{status} : "ended" : $tls_error;
            }
        }
    }
}
ok($h->alive, 'the server is up');
done_testing;
