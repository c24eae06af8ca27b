# Variables that only this module has: the ClientHello and its fingerprints where SSLClientHelloVars is on, how the
# handshake was signed, what was negotiated. They are looked up; into the environment come those of the ClientHello alone.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Digest::MD5 qw(md5_hex);
use MIME::Base64 qw(encode_base64);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file openssl slurp);
use ModSSL::Wire;

ours_only('stock has none of these variables');

my @HELLO = (map({ "SSL_CLIENTHELLO_$_" } qw(ALPN CIPHERS EC_FORMATS EXTENSIONS GROUPS SIG_ALGOS VERSION VERSIONS)),
    qw(SSL_JA3 SSL_JA3_HASH SSL_JA4 SSL_JA4_R));
my @OTHERS = qw(SSL_ALPN SSL_CLIENT_B64CERT SSL_CLIENT_SIGALG SSL_HANDSHAKE_RTT SSL_NEGOTIATED_GROUP SSL_SERVER_B64CERT
    SSL_SHARED_CIPHERS SSL_SIGALG SSL_SESSION_RESUMED);
my @names = (@HELLO, @OTHERS);
my $headers = join '', map { qq(    Header set X-$_ "expr=%{$names[$_]}"\n) } 0 .. $#names;
my $h2 = ModSSL::Httpd::mpm() eq 'prefork' ? 0 : 1;

sub vhost {
    my ($port, $name, $cert, @more) = @_;
    return <<"CONF";
<VirtualHost 127.0.0.1:\@port:$port\@>
    ServerName $name
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile    \@pki\@/$cert.crt
    SSLCertificateKeyFile \@pki\@/$cert.key
    SSLCACertificateFile  \@pki\@/ca.crt
    SSLVerifyClient optional
    SSLOptions +StdEnvVars
    @more
    <Location /lookup>
$headers    </Location>
</VirtualHost>
CONF
}

my $h = ModSSL::Httpd->new(modules => ['http2'], listen => [qw(mixed off one)], config => join '',
    "LogFormat \"|%{SSL_JA4}x|%{SSL_JA3_HASH}x|%{SSL_CLIENTHELLO_ALPN}x|%{SSL_ALPN}x|%U\" hello\nCustomLog logs/hello hello\n",
    vhost(mixed => 'a.test', 'a'), vhost(mixed => 'b.test', 'b', 'SSLClientHelloVars on'),
    vhost(mixed => 'rsa.test', 'rsa', 'SSLClientHelloVars on'), vhost(mixed => 'rsapss.test', 'rsapss'), vhost(mixed => 'ed25519.test', 'ed25519'),
    vhost(off => 'a.test', 'a'), vhost(one => 'b.test', 'b', 'SSLClientHelloVars on'));
$h->cgi('env', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec env\n");
$h->file('htdocs/lookup/index.html', "found\n");
$h->start or die $h->why;

sub looked_up {
    my ($sock, $host) = @_;
    my $answer = http_get($sock, '/lookup/', $host);
    return { map { $names[$_] => $answer->{headers}{"x-$_"} } 0 .. $#names };
}

sub connect_to {
    my ($host, %o) = @_;
    return tls_connect(port => $h->port($o{port} || 'mixed'), sni => $host, %o{ grep { $_ ne 'port' } keys %o }) || die "no connection: $tls_error\n";
}

sub exported {
    my ($sock, $host) = @_;
    my %env = map { /^(SSL_\w+)=(.*)/ ? ($1 => $2) : () } split /\n/, http_get($sock, '/cgi/env', $host, close => 1)->{body};
    return \%env;
}

# --- the ClientHello ---
{
    my $sock = connect_to('b.test', version => '1.2', ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384',
                          groups => 'P-256', alpn => ['http/1.1']);
    my $got = looked_up($sock, 'b.test');
    like($got->{SSL_CLIENTHELLO_CIPHERS}, qr/^c02bc030(00ff)?$/, 'SSL_CLIENTHELLO_CIPHERS');
    is($got->{SSL_CLIENTHELLO_GROUPS}, '0017', 'SSL_CLIENTHELLO_GROUPS');
    is($got->{SSL_CLIENTHELLO_VERSION}, '0303', 'SSL_CLIENTHELLO_VERSION');
    is($got->{SSL_CLIENTHELLO_ALPN}, '08' . unpack('H*', 'http/1.1'), 'SSL_CLIENTHELLO_ALPN');
    is($got->{SSL_CLIENTHELLO_VERSIONS} // '', '', 'SSL_CLIENTHELLO_VERSIONS: TLS 1.2 has none');
    like($got->{SSL_CLIENTHELLO_EC_FORMATS}, qr/^00/, 'SSL_CLIENTHELLO_EC_FORMATS');
    like($got->{SSL_CLIENTHELLO_SIG_ALGOS}, qr/^([0-9a-f]{4})*0403/, 'SSL_CLIENTHELLO_SIG_ALGOS');
    like($got->{SSL_CLIENTHELLO_EXTENSIONS}, qr/^(?=(?:....)*0000)(?=(?:....)*000a)(?=(?:....)*000d)(?=(?:....)*0010)(?:[0-9a-f]{4})+$/, 'SSL_CLIENTHELLO_EXTENSIONS');
    my @number = map { [map { hex } unpack '(A4)*', $got->{"SSL_CLIENTHELLO_$_"}] } qw(CIPHERS EXTENSIONS GROUPS);
    my $ja3 = join ',', 771, map({ join '-', @$_ } @number), join '-', map { hex } unpack '(A2)*', $got->{SSL_CLIENTHELLO_EC_FORMATS};
    is($got->{SSL_JA3}, $ja3, 'SSL_JA3 is made of these');
    is($got->{SSL_JA3_HASH}, md5_hex($ja3), 'SSL_JA3_HASH');
    my $counts = sprintf '%02d%02d', map { scalar @$_ } @number[0, 1];
    like($got->{SSL_JA4}, qr/^t12d${counts}h1_[0-9a-f]{12}_[0-9a-f]{12}$/, 'SSL_JA4');
    like($got->{SSL_JA4_R}, qr/^t12d\d{4}h1_(00ff,)?c02b,c030_(?!0000)[0-9a-f,]*_[0-9a-f,]+$/, 'SSL_JA4_R');
    my $env = exported($sock, 'b.test');
    is(join(' ', map { "$_=" . ($env->{$_} // '') } @HELLO), join(' ', map { "$_=" . ($got->{$_} // '') } @HELLO), 'a script gets the same');
    is(join(' ', grep { /^(?!SSL_CLIENT_|SSL_SERVER_|SSL_CLIENTHELLO|SSL_JA)/ } sort keys %$env) =~ s/SSL_SESSION_ID //r,
       'SSL_CIPHER SSL_CIPHER_ALGKEYSIZE SSL_CIPHER_EXPORT SSL_CIPHER_USEKEYSIZE SSL_COMPRESS_METHOD SSL_PROTOCOL SSL_SECURE_RENEG '
       . 'SSL_SESSION_RESUMED SSL_TLS_SNI SSL_VERSION_INTERFACE SSL_VERSION_LIBRARY', '... and no other new name');
}
# [port, host, whether it has them]
for (['mixed', 'a.test', 0], ['mixed', 'b.test', 1], ['off', 'a.test', 0], ['one', 'b.test', 1], ['one', 'unknown.test', 1], ['mixed', undef, 0]) {
    my ($port, $host, $has) = @$_;
    my $sock = connect_to($host, port => $port, version => '1.3');
    my $got = looked_up($sock, $host || 'a.test');
    is(scalar(grep { defined $got->{$_} && $got->{$_} ne '' } @HELLO), $has ? @HELLO - 1 : 0, "$port, " . ($host || 'no name') . ': ' . ($has ? 'all but ALPN' : 'none'));
    is(scalar(grep { /HELLO|_JA[34]/ } keys %{ exported($sock, $host || 'a.test') }), $has ? @HELLO - 1 : 0, '... in a script');
    like($got->{SSL_JA4} // '', $has ? ($host ? qr/^t13d\d{4}00_/ : qr/^t13i/) : qr/^$/, '... SSL_JA4');
}
# A HelloRetryRequest makes the client say it all again: the first time counts
{
    my $out = s_client(port => $h->port('one'), args => [qw(-servername b.test -tls1_3 -groups X448:P-521:P-256)],
                       input => ["GET /lookup/ HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n", qr/found/]);
    my ($groups) = $out =~ /^x-@{[ grep { $names[$_] eq 'SSL_CLIENTHELLO_GROUPS' } 0 .. $#names ]}: (\w+)/mi;
    is($groups, '001e00190017', 'offered are the groups of the ClientHello');
}
# --- larger than what is kept ---
{
    my $out = s_client(port => $h->port('one'), args => ['-servername', 'b.test', '-tls1_3', '-alpn', join ',', 'http/1.1', map { "p$_" . 'x' x 240 } 1 .. 90],
                       input => ["GET /lookup/ HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n", qr/found/]);
    like($out, qr/^found$/m, 'a ClientHello of 20 KB: served');
    my ($at) = grep { $names[$_] eq 'SSL_JA4' } 0 .. $#names;
    unlike($out, qr/^x-$at: t13/mi, '... and not kept');
}

# --- signatures, groups, ALPN, certificates ---
my $base64 = sub { return slurp(pki_file("$_[0].crt")) =~ s/-----[A-Z ]+-----|\n//gr };
for (
    # host, version, options => what is looked up
    ['a.test',      '1.3', {},                                    SSL_SIGALG => 'ecdsa_secp256r1_sha256', SSL_CLIENT_SIGALG => ''],
    ['a.test',      '1.2', {},                                    SSL_SIGALG => qr/^ecdsa_secp256r1_sha256$|^ecdsa_secp384r1_sha384$|^ecdsa_secp521r1_sha512$/],
    ['rsa.test',    '1.3', {},                                    SSL_SIGALG => 'rsa_pss_rsae_sha256'],
    ['rsapss.test', '1.3', {},                                    SSL_SIGALG => 'rsa_pss_pss_sha256'],
    ['ed25519.test', '1.3', {},                                   SSL_SIGALG => 'ed25519'],
    ['rsa.test',    '1.2', { ciphers => 'AES128-SHA' },           SSL_SIGALG => '', SSL_NEGOTIATED_GROUP => ''],
    ['a.test',      '1.3', { client => 'client' },                SSL_CLIENT_SIGALG => 'rsa_pss_rsae_sha256', SSL_CLIENT_B64CERT => $base64->('client')],
    ['a.test',      '1.3', { client => 'client-ec' },             SSL_CLIENT_SIGALG => 'ecdsa_secp256r1_sha256'],
    ['a.test',      '1.3', {},                                    SSL_CLIENT_B64CERT => '', SSL_SERVER_B64CERT => $base64->('a')],
    ['a.test',      '1.3', { groups => 'P-384' },                 SSL_NEGOTIATED_GROUP => qr/^(secp384r1|P-384)$/i],
    ['a.test',      '1.3', { groups => 'X25519' },                SSL_NEGOTIATED_GROUP => qr/^x25519$/i],
    ['a.test',      '1.2', { alpn => ['x', 'http/1.1'] },         SSL_ALPN => 'http/1.1'],
    ['a.test',      '1.3', {},                                    SSL_ALPN => '', SSL_HANDSHAKE_RTT => qr/^[1-9]\d*$/],
    ['a.test',      '1.2', {},                                    SSL_HANDSHAKE_RTT => qr/^[1-9]\d*$/],
    ['a.test',      '1.2', { ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256:DHE-PSK-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384' },
        SSL_SHARED_CIPHERS => 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384'],
) {
    my ($host, $version, $how, %want) = @$_;
    my $got = looked_up(connect_to($host, version => $version, %$how), $host);
    for my $name (sort keys %want) {
        my $label = "$name, $host, TLS $version " . join ' ', map { ref $how->{$_} ? "@{ $how->{$_} }" : $how->{$_} } sort keys %$how;
        my $value = $got->{$name} // '';
        ref $want{$name} ? like($value, $want{$name}, $label) : is($value, $want{$name}, $label);
    }
}
# --- a resumed session: nothing is signed, the ClientHello is another ---
for my $version ('1.2', '1.3') {
    my $first = connect_to('b.test', version => $version);
    http_get($first, '/lookup/', 'b.test');
    my $got = looked_up(connect_to('b.test', version => $version, session => session($first)), 'b.test');
    is($got->{SSL_SESSION_RESUMED}, 'Resumed', "TLS $version, resumed");
    is($got->{SSL_SIGALG} // '', '', '... no SSL_SIGALG');
    like($got->{SSL_HANDSHAKE_RTT} // '', qr/^[1-9]\d*$/, '... SSL_HANDSHAKE_RTT');
    like($got->{SSL_JA4} // '', $version eq '1.3' ? qr/^t13d/ : qr/^t12d/, '... SSL_JA4');
}
# --- HTTP/2: the streams have them, too; and logs ---
SKIP: {
    skip 'mod_http2 offers nothing under prefork', 3 if !$h2;
    my ($status, $head) = h2_get(port => $h->port('one'), host => 'b.test', path => '/lookup/');
    is($status, 200, 'HTTP/2');
    my ($at) = grep { $names[$_] eq 'SSL_JA4' } 0 .. $#names;
    like($head->{"x-$at"}, qr/^t13d\d{4}h2_/, '... SSL_JA4');
    my $line;    # written when the answer has been sent
    wait_for(10, sub { ($line) = $h->accesslog('hello') =~ /^(\|t13d\d{4}h2_.*)$/m });
    like($line // '', qr{^\|t13d\d{4}h2_\w{12}_\w{12}\|[0-9a-f]{32}\|026832[0-9a-f]*\|h2\|/lookup/index\.html$}, '... in a log');
}
# --- a hostile ALPN stays hex ---
{
    my $sock = connect_to('b.test', version => '1.2', alpn => ["\"\n\e[31m", 'http/1.1']);
    http_get($sock, '/hostile', 'b.test', close => 1);
    my $line;
    wait_for(10, sub { ($line) = $h->accesslog('hello') =~ m{^(.*/hostile)$}m });
    like($line // '', qr{^\|t12d\d{4}2d_\w{12}_\w{12}\|[0-9a-f]{32}\|07220a1b5b33316d08687474702f312e31\|http/1\.1\|/hostile$}, 'ALPN of control characters');
}
ok($h->graceful && $h->alive, 'a graceful restart');
like(looked_up(connect_to('b.test', version => '1.3'), 'b.test')->{SSL_JA4} // '', qr/^t13d/, '... and the variables are there');
my $plain = ModSSL::Httpd->new(config => "SSLClientHelloVars maybe\n");
my ($status, $out) = $plain->configtest;
ok($status && $out =~ /SSLClientHelloVars must be On or Off/, 'SSLClientHelloVars maybe: refused');
done_testing;
