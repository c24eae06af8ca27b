# The variables of certificates and connections, with certificates that have more than one of everything: what +StdEnvVars,
# +ExportCertData and LegacyDNStringFormat export, and what an expression finds under names that are not exported.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert openssl pki_file slurp);

# Looked up through expressions; undef: no such thing.
my %lookups = (
    SSL_SERVER_S_DN_C         => 'DE',
    SSL_SERVER_S_DN_ST        => "B\xc3\xa4yern",
    SSL_SERVER_S_DN_SP        => "B\xc3\xa4yern",
    SSL_SERVER_S_DN_ST_RAW    => "B\xe4yern",
    SSL_SERVER_S_DN_O         => 'Acme, Inc. "x"',
    SSL_SERVER_S_DN_OU        => 'one',
    SSL_SERVER_S_DN_OU_0      => 'one',
    SSL_SERVER_S_DN_OU_1      => 'two/2',
    SSL_SERVER_S_DN_OU_2      => 'back\\\\slash',
    SSL_SERVER_S_DN_OU_3      => undef,
    SSL_SERVER_S_DN_OU_1_RAW  => 'two/2',
    SSL_SERVER_S_DN_OU_RAW    => 'one',
    SSL_SERVER_S_DN_OU_       => 'one',
    SSL_SERVER_S_DN_OU_x      => undef,
    SSL_SERVER_S_DN_OU_1x     => undef,
    SSL_SERVER_S_DN_OU_RAW_1  => undef,
    SSL_SERVER_S_DN_ou        => undef,
    SSL_SERVER_S_DN_DC        => undef,
    SSL_SERVER_S_DN_UID       => 'u1',
    SSL_SERVER_S_DN_Email     => 'a@rsa.test',
    SSL_SERVER_S_DN_SerialNumber => '4711',
    SSL_SERVER_I_DN_CN        => 'Test Root CA',
    SSL_SERVER_SAN_DNS_0      => 'rsa.test',
    SSL_SERVER_SAN_DNS_20     => 'h20.rsa.test',
    SSL_SERVER_SAN_DNS_21     => undef,
    SSL_SERVER_SAN_DNS_       => undef,
    SSL_SERVER_SAN_DNS        => undef,
    SSL_SERVER_SAN_Email_0    => 'm@rsa.test',
    SSL_SERVER_SAN_OTHER_dnsSRV_0 => '_https.rsa.test',
    SSL_SERVER_SAN_OTHER_msUPN_0  => 'upn@server',
    SSL_SERVER_M_VERSION      => '3',
    SSL_SERVER_A_SIG          => 'sha256WithRSAEncryption',
    SSL_SERVER_A_KEY          => 'rsaEncryption',
    SSL_CLIENT_A_KEY          => 'id-ecPublicKey',
    SSL_CLIENT_V_REMAIN       => '10',
    SSL_CLIENT_SAN_DNS_0      => 'good.example\\00.evil',
    SSL_CLIENT_SAN_DNS_1      => 'ok.example',
    SSL_CLIENT_VERIFY         => 'SUCCESS',
    SSL_PROTOCOL              => 'TLSv1.2',
    ssl_protocol              => 'TLSv1.2',
    SSL_CIPHER                => 'ECDHE-RSA-AES128-GCM-SHA256',
    SSL_CIPHER_USEKEYSIZE     => '128',
    SSL_CIPHER_ALGKEYSIZE     => '128',
    SSL_CIPHER_EXPORT         => 'false',
    SSL_COMPRESS_METHOD       => 'NULL',
    SSL_SECURE_RENEG          => 'true',
    SSL_SESSION_RESUMED       => 'Initial',
    SSL_TLS_SNI               => 'rsa.test',
    SSL_SRP_USER              => undef,
    SSL_NO_SUCH_VARIABLE      => undef,
    SSL_                      => undef,
);
my @names = sort keys %lookups;
my $headers = join '', map { qq(    Header set X-$_ "expr=<%{$names[$_]}>"\n) } 0 .. $#names;

my $h = ModSSL::Httpd->new(listen => [qw(https nocert plain)], config => <<"CONF");
<Location /cgi/std>
    SSLOptions +StdEnvVars
</Location>
<Location /cgi/pem>
    SSLOptions +ExportCertData
</Location>
<Location /cgi/legacy>
    SSLOptions +StdEnvVars +LegacyDNStringFormat
</Location>
<Location /lookup>
$headers</Location>
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName rsa.test
    SSLEngine on
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    SSLCertificateFile    \@root\@/conf/rich.crt
    SSLCertificateKeyFile \@root\@/conf/rich.key
    SSLCACertificateFile  \@pki\@/ca.crt
    SSLVerifyClient optional_no_ca
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:nocert\@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:plain\@>
    ServerName rsa.test
</VirtualHost>
CONF
my $conf = $h->root . '/conf';
make_cert(dir => $conf, name => 'rich', end => 90 * 86400 + 3600,
          subject => "/C=DE/ST=B\xc3\xa4yern/O=Acme, Inc. \"x\"/OU=one/OU=two\\/2/OU=back\\\\slash/CN=rsa.test/UID=u1"
                   . '/emailAddress=a@rsa.test/serialNumber=4711/DC=example',
          san => [ 'DNS:rsa.test', map({ "DNS:h$_.rsa.test" } 1 .. 20), 'email:m@rsa.test',
                   'otherName:1.3.6.1.5.5.7.8.7;IA5:_https.rsa.test', 'otherName:1.3.6.1.5.5.7.8.7;UTF8:_utf8.rsa.test',
                   'otherName:1.3.6.1.5.5.7.8.7;IA5:_imap.rsa.test',
                   'otherName:1.3.6.1.4.1.311.20.2.3;UTF8:upn@server' ]);
# subjectAltName of two dNSNames: "good.example\0.evil" and "ok.example".
my $nul = unpack 'H*', "\x30\x20\x82\x12good.example\0.evil\x82\x0aok.example";
make_cert(dir => $conf, name => 'odd', type => 'client', key => 'ec', end => 10 * 86400 + 3600,
          subject => '/CN=client/OU=first/OU=second', ext => ["subjectAltName=DER:$nul"]);
$h->cgi($_, "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n") for qw(std pem legacy none);
$h->file('htdocs/lookup/index.html', "found\n");
$h->start or die $h->why;

# The environment of a CGI; certificates have several lines, the last one of base64 may look like an assignment.
sub environment {
    my ($path, %how) = @_;
    my $sock = tls_connect(port => $h->port('https'), sni => 'rsa.test', version => '1.2', %how)
        or die "no connection: $tls_error\n";
    my $r = http_get($sock, $path, 'rsa.test', close => 1);
    my (%env, $name);
    for my $line (split /^/, $r->{body}) {
        my $in_pem = defined $name && $env{$name} =~ /^-----BEGIN/ && $env{$name} !~ /^-----END/m;
        if (!$in_pem && $line =~ /^(\w+)=(.*)/s) {
            $name = $1;
            $env{$name} = $2;
        }
        else {
            $env{$name} .= $line;
        }
    }
    chomp $env{$_} for keys %env;
    return \%env;
}
my %odd = (cert => "$conf/odd.crt", key => "$conf/odd.key");

sub ssl_names {
    my ($env, $pattern) = @_;
    return join ' ', sort grep { /^SSL_$pattern/ } keys %$env;
}

# --- lookups ---
{
    my $sock = tls_connect(port => $h->port('https'), sni => 'rsa.test', version => '1.2',
                           ciphers => 'ECDHE-RSA-AES128-GCM-SHA256', %odd) or die "no connection: $tls_error\n";
    my $r = http_get($sock, '/lookup/', 'rsa.test', close => 1);
    is($r->{status}, 200, 'the page of lookups');
    for my $i (0 .. $#names) {
        is($r->{headers}{"x-$i"}, '<' . (defined $lookups{$names[$i]} ? $lookups{$names[$i]} : '') . '>', $names[$i]);
    }
}

# --- the exported set ---
my $std = environment('/cgi/std', %odd);
my $text = sub { my $line = openssl('x509', '-noout', @_); $line =~ s/^.*?=//; chomp $line; return $line };
for my $side ([ 'SERVER', 'rich' ], [ 'CLIENT', 'odd' ]) {
    my ($name, $cert) = @$side;
    is($std->{"SSL_${name}_M_SERIAL"}, $text->('-serial', '-in', "$conf/$cert.crt"), "SSL_${name}_M_SERIAL");
    is($std->{"SSL_${name}_V_START"}, $text->('-startdate', '-in', "$conf/$cert.crt"), "SSL_${name}_V_START");
    is($std->{"SSL_${name}_V_END"}, $text->('-enddate', '-in', "$conf/$cert.crt"), "SSL_${name}_V_END");
}
is($std->{SSL_SERVER_S_DN}, "DC=example,serialNumber=4711,emailAddress=a\@rsa.test,UID=u1,CN=rsa.test,OU=back\\\\slash,"
   . "OU=two/2,OU=one,O=Acme\\, Inc. \\\"x\\\",ST=B\xc3\xa4yern,C=DE", 'SSL_SERVER_S_DN');
is($std->{SSL_CLIENT_S_DN}, 'OU=second,OU=first,CN=client', 'SSL_CLIENT_S_DN');
is(ssl_names($std, 'SERVER_S_DN_'), join(' ', map { "SSL_SERVER_S_DN_$_" } qw(C CN Email O OU OU_1 OU_2 ST SerialNumber UID)),
   'attributes: the first of a kind without a number, later ones with');
is(ssl_names($std, 'SERVER_SAN_(?!DNS_\d)'), 'SSL_SERVER_SAN_Email_0 SSL_SERVER_SAN_OTHER_dnsSRV_0 SSL_SERVER_SAN_OTHER_dnsSRV_1',
   'alternative names: SRVName is exported of the server only');
is($std->{SSL_SERVER_SAN_OTHER_dnsSRV_1}, '_imap.rsa.test', '... and one that is no IA5String does not count');
is(scalar(grep { /^SSL_SERVER_SAN_DNS_\d+$/ } keys %$std), 21, 'all 21 dNSNames');
is(ssl_names($std, 'CLIENT_SAN_'), 'SSL_CLIENT_SAN_DNS_0 SSL_CLIENT_SAN_DNS_1', "the client's");
is($std->{SSL_CLIENT_SAN_DNS_0}, 'good.example\\00.evil', 'a NUL does not end a value');
is(ssl_names($std, '(?!CLIENT|SERVER)'),
   join(' ', map { "SSL_$_" } qw(CIPHER CIPHER_ALGKEYSIZE CIPHER_EXPORT CIPHER_USEKEYSIZE COMPRESS_METHOD PROTOCOL SECURE_RENEG),
        ($std->{SSL_SESSION_ID} ? 'SESSION_ID' : ()), qw(SESSION_RESUMED TLS_SNI VERSION_INTERFACE VERSION_LIBRARY)),
   'of the connection');
is(ssl_names($std, 'CLIENT_(?!SAN|S_DN_|I_DN_)'),
   join(' ', map { "SSL_CLIENT_$_" } qw(A_KEY A_SIG CERT_RFC4523_CEA I_DN M_SERIAL M_VERSION S_DN VERIFY V_END V_REMAIN V_START)),
   "of the client's certificate");
is(ssl_names($std, 'SERVER_(?!SAN|S_DN_|I_DN_)'),
   join(' ', map { "SSL_SERVER_$_" } qw(A_KEY A_SIG I_DN M_SERIAL M_VERSION S_DN V_END V_START)), "of the server's");
like($std->{SSL_CLIENT_CERT_RFC4523_CEA}, qr/^\{ serialNumber \d+, issuer rdnSequence:"[^"]*CN=Test Root CA[^"]*" \}$/,
     'SSL_CLIENT_CERT_RFC4523_CEA');
is($std->{HTTPS}, 'on', 'HTTPS');

my $anonymous = environment('/cgi/std');
is(ssl_names($anonymous, 'CLIENT_'), 'SSL_CLIENT_VERIFY', 'without a client certificate there is only SSL_CLIENT_VERIFY');
is($anonymous->{SSL_CLIENT_VERIFY}, 'NONE', '... which is NONE');
is(environment('/cgi/std', port => $h->port('nocert'))->{SSL_CLIENT_VERIFY}, 'NONE', '... where none is asked for, too');

my $none = environment('/cgi/none', %odd);
is(ssl_names($none, ''), 'SSL_TLS_SNI', 'without SSLOptions only SSL_TLS_SNI');
is($none->{HTTPS}, 'on', '... and HTTPS');

my $legacy = environment('/cgi/legacy', %odd);
is($legacy->{SSL_CLIENT_S_DN}, '/CN=client/OU=first/OU=second', 'LegacyDNStringFormat');
like($legacy->{SSL_SERVER_S_DN}, qr{^/C=DE/ST=B\\xC3\\xA4yern/O=Acme, Inc\. "x"/OU=one/OU=two}, '... escapes bytes');
is(ssl_names($legacy, ''), ssl_names($std, ''), '... changes no names');

# --- certificates ---
my $pem = environment('/cgi/pem', %odd);
is(ssl_names($pem, '(?!CLIENT_CERT_CHAIN)'), 'SSL_CLIENT_CERT SSL_SERVER_CERT SSL_TLS_SNI',
   '+ExportCertData alone exports certificates');
is($pem->{SSL_SERVER_CERT}, slurp("$conf/rich.crt"), "the server's certificate in PEM");
is($pem->{SSL_CLIENT_CERT}, slurp("$conf/odd.crt"), "the client's certificate in PEM");
is($pem->{SSL_CLIENT_CERT_CHAIN_0}, slurp(pki_file('ca.crt')), 'the first certificate above it that the client sent');
is(environment('/cgi/pem')->{SSL_CLIENT_CERT}, '', 'without one, SSL_CLIENT_CERT is empty');

# --- a certificate that nobody vouches for ---
my $unknown = tls_connect(port => $h->port('https'), sni => 'rsa.test', version => '1.2', client => 'client-self')
    or die "no connection: $tls_error\n";
my $answer = http_get($unknown, '/cgi/std', 'rsa.test', close => 1);
like($answer->{body}, qr/^SSL_CLIENT_VERIFY=GENEROUS$/m, 'GENEROUS in TLS 1.2');
SKIP: {
    skip 'the stock module says SUCCESS', 1 if is_stock();
    my $again = tls_connect(port => $h->port('https'), sni => 'rsa.test', version => '1.2', session => session($unknown))
        or die "no connection: $tls_error\n";
    my $resumed = resumed($again);
    my $body = http_get($again, '/cgi/std', 'rsa.test', close => 1)->{body};
    ok($resumed && $body =~ /^SSL_CLIENT_VERIFY=GENEROUS$/m, '... and no better when its session is resumed');
}
like(environment('/cgi/std', version => '1.3', client => 'client-self')->{SSL_CLIENT_VERIFY},
     qr/^FAILED:self.signed certificate$/, 'FAILED in TLS 1.3');

# --- no TLS ---
{
    my $sock = raw_connect($h->port('plain'));
    my $r = http_get($sock, '/lookup/', 'rsa.test', close => 1);
    is(join(' ', grep { $r->{headers}{"x-$_"} ne '<>' } 0 .. $#names), '', 'over plain HTTP all of them are empty');
    $sock = raw_connect($h->port('plain'));
    unlike(http_get($sock, '/cgi/std', 'rsa.test', close => 1)->{body}, qr/^(SSL_|HTTPS=)/m, '... and none is exported');
}
done_testing;
