# A connection made for one virtual host and a request for another: SSLVHostSNIPolicy and what the two differ in decide
# between an answer and 421. The table holds the answers of the stock module.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock mpm);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file slurp);

my $same_cert = "SSLCertificateFile \@pki\@/ecdsa.crt\nSSLCertificateKeyFile \@pki\@/ecdsa.key\n";

sub vhost {
    my ($name, $cert, $more) = @_;
    return "<VirtualHost 127.0.0.1:\@port:https\@>\nServerName $name.test\nHeader always set X-Vhost $name\n"
        . "SSLEngine on\n$cert$more\n</VirtualHost>\n";
}

# What differs from the first host "a": name, directives, and the answers under strict, secure, authonly and insecure.
# The three columns of an answer: SNI a and Host x, SNI x and Host a, no SNI and Host x.
my @hosts = (
    # name          differs in
    [ 'same',       '',                                        [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'copy',       [ "SSLCertificateFile \@root\@/conf/copy.crt\nSSLCertificateKeyFile \@root\@/conf/copy.key\n" ], [qw(421/421/421 421/421/421 200/200/200 200/200/200)] ],
    [ 'cert',       [ "SSLCertificateFile \@pki\@/b.crt\nSSLCertificateKeyFile \@pki\@/b.key\n" ], [qw(421/421/421 421/421/421 200/200/200 200/200/200)] ],
    [ 'twocerts',   "SSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n", [qw(421/421/421 421/421/421 200/200/200 200/200/200)] ],
    [ 'chainfile',  'SSLCertificateChainFile @pki@/inter.crt', [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'protocol',   'SSLProtocol -all +TLSv1.2 +TLSv1.3',      [qw(421/421/421 421/421/421 200/200/200 200/200/200)] ],
    [ 'protocol12', 'SSLProtocol TLSv1.2',                     [qw(421/421/421 421/421/421 200/200/200 200/200/200)] ],
    [ 'cipher',     'SSLCipherSuite ECDHE+AESGCM',             [qw(421/421/421 421/421/421 200/200/200 200/200/200)] ],
    [ 'cipher13',   'SSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384', [qw(421/421/421 421/421/421 200/200/200 200/200/200)] ],
    [ 'order',      'SSLHonorCipherOrder on',                  [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'tickets',    'SSLSessionTickets off',                   [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'timeout',    'SSLSessionCacheTimeout 10',               [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'options',    'SSLOptions +StdEnvVars',                  [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'verify',     'SSLVerifyClient optional_no_ca',          [qw(421/421/421 421/421/421 421/421/421 403/200/403)] ],
    [ 'optional',   "SSLVerifyClient optional\nSSLCACertificateFile \@pki\@/ca.crt", [qw(421/421/421 421/421/421 421/421/421 403/200/403)] ],
    [ 'require',    "SSLVerifyClient require\nSSLCACertificateFile \@pki\@/ca.crt", [qw(421/closed/421 421/closed/421 421/closed/421 403/closed/403)] ],
    [ 'require2',   "SSLVerifyClient require\nSSLCACertificateFile \@pki\@/ca.crt", [qw(421/closed/421 421/closed/421 421/closed/421 403/closed/403)] ],
    [ 'foreign',    "SSLVerifyClient require\nSSLCACertificateFile \@pki\@/ca2.crt", [qw(421/closed/421 421/closed/421 421/closed/421 403/closed/403)] ],
    [ 'none',       'SSLVerifyClient none',                    [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'depth',      'SSLVerifyDepth 3',                        [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'cafile',     'SSLCACertificateFile @pki@/ca.crt',       [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'capath',     'SSLCACertificatePath @pki@/ca-dir',       [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'dnfile',     'SSLCADNRequestFile @pki@/ca.crt',         [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'dnpath',     'SSLCADNRequestPath @pki@/ca-dir',         [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'crlfile',    'SSLCARevocationFile @pki@/ca.crl',        [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'crlpath',    'SSLCARevocationPath @pki@/crl-dir',       [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'crlcheck',   "SSLCARevocationCheck chain\nSSLCARevocationFile \@pki\@/ca.crl", [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'ocsp',       'SSLOCSPEnable on',                        [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'ocspurl',    'SSLOCSPDefaultResponder http://127.0.0.1:1/', [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'conf',       'SSLOpenSSLConfCmd Curves X25519',         [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'confprio',   'SSLOpenSSLConfCmd Options PrioritizeChaCha', [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
    [ 'strictsni',  'SSLStrictSNIVHostCheck on',               [qw(421/421/403 200/200/403 200/200/403 200/200/403)] ],
    [ 'proxy',      "SSLProxyEngine on\nSSLProxyVerify require\nSSLProxyProtocol TLSv1.3", [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'alpn',       'Protocols h2 http/1.1',                   [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'location',   "<Location />\nSSLVerifyDepth 4\nSSLOptions +StrictRequire\n</Location>", [qw(421/421/421 200/200/200 200/200/200 200/200/200)] ],
    [ 'off',        [ "SSLEngine off\n" ],                     [qw(421/421/421 421/421/421 421/421/421 200/200/200)] ],
);

# SNI, Host, what it is, status and, if it is not the Host's, the name of the virtual host that answered; client's options
my @more = (
    [ 'a.test',       'a.test',        'the same host twice',                                  [qw(200 200 200 200)] ],
    [ 'a.test',       'A.TEST:8443',   'the same host with a port and in other letters',       ['200 a', '200 a', '200 a', '200 a'] ],
    [ 'a.test',       'unknown.test',  'a Host that no one has is the first host',             ['200 a', '200 a', '200 a', '200 a'] ],
    [ 'unknown.test', 'a.test',        'so is an unknown name in the ClientHello',             [qw(200 200 200 200)] ],
    [ 'unknown.test', 'b.test',        'both unknown',                                         ['200 a', '200 a', '200 a', '200 a'] ],
    [ 'unknown.test', 'cert.test',     'unknown name, then another host',                      [qw(421 421 200 200)] ],
    [ 'require.test', 'require.test',  'client certificate',                                   [qw(200 200 200 200)], client => 'client' ],
    [ 'require.test', 'optional.test', 'client certificate: required, then optional',          [qw(421 421 421 200)], client => 'client' ],
    [ 'optional.test', 'require.test', 'client certificate: optional, then required',          [qw(421 421 421 403)], client => 'client' ],
    [ 'optional.test', 'require.test', 'no client certificate: optional, then required',       [qw(421 421 421 403)] ],
    [ 'require.test', 'a.test',        'client certificate: required, then none',              [qw(421 421 421 200)], client => 'client' ],
    [ 'require.test', 'require2.test', 'client certificate: both require the same',            [qw(421 200 200 200)], client => 'client' ],
    [ 'require.test', 'foreign.test',  'client certificate: another authority',                [qw(421 421 421 200)], client => 'client' ],
    [ 'foreign.test', 'require.test',  'client certificate of the other authority',            [qw(421 421 421 200)], client => 'client2' ],
    [ 'a.test',       'require.test',  'TLS 1.2, a certificate that was not asked for',        [qw(421 421 421 403)],
      client => 'client', version => '1.2' ],
    # the connection may end with the alert or with an answer
    [ 'a.test',       'require.test',  'TLS 1.3, a certificate that was not asked for',        [qw(421 421 421 closed|403)],
      client => 'client', version => '1.3', pha => 1 ],
);

my @policies = qw(strict secure authonly insecure);

sub status {
    my ($port, $sni, $host, %o) = @_;
    my $s = tls_connect(port => $port, sni => $sni, %o) or return 'refused';
    my $r = http_get($s, '/', $host, close => 1) or return 'closed';
    return $r->{status} if $r->{status} != 200;
    return $r->{headers}{'x-vhost'} eq $host =~ s/\.test$//r ? 200 : "200 $r->{headers}{'x-vhost'}";
}

sub server {
    my ($policy, @more) = @_;
    my $h = ModSSL::Httpd->new(name => "sni-host-421-$policy", modules => ['http2'], @more, config => join '',
        $policy eq 'default' ? '' : "SSLVHostSNIPolicy $policy\n",
        vhost('a', $same_cert, ''),
        map { my ($name, $more) = @$_; ref $more ? vhost($name, '', "@$more") : vhost($name, $same_cert, $more) } @hosts);
    $h->file('conf/copy.crt', slurp(pki_file('ecdsa.crt')));
    $h->file('conf/copy.key', slurp(pki_file('ecdsa.key')));
    $h->start or die $h->why;
    return $h;
}

for my $i (0 .. $#policies) {
    subtest "SSLVHostSNIPolicy $policies[$i]" => sub {
        my $h = server($policies[$i]);
        for my $row (@hosts) {
            my ($name, undef, $want) = @$row;
            my $got = join '/', status($h->port, 'a.test', "$name.test"), status($h->port, "$name.test", 'a.test'),
                                status($h->port, undef, "$name.test");
            is($got, $want->[$i], $name);
        }
        for my $row (@more) {
            my ($sni, $host, $what, $want, @client) = @$row;
            like(status($h->port, $sni, $host, @client), qr/^(?:$want->[$i])$/, $what);
        }
    };
}

subtest 'default policy' => sub {
    my $h = server('default');
    is(status($h->port, 'a.test', 'same.test'), 200, 'equal hosts');
    is(status($h->port, 'a.test', 'cert.test'), 421, 'another certificate');
    is(status($h->port, 'a.test', 'depth.test'), 421, 'other rules for client certificates');

    my $s = tls_connect(port => $h->port, sni => 'a.test') or die $tls_error;
    my $r = http_get($s, '/', 'a.test');
    is($r->{status}, 200, 'first request');
    $r = http_get($s, '/', 'same.test');
    is("$r->{status} $r->{headers}{'x-vhost'}", '200 same', 'second request, to an equal host');
    $r = http_get($s, '/', 'cert.test');
    is("$r->{status} $r->{reason}", '421 Misdirected Request', 'third request, to one that differs');
    unlike($r->{body}, qr/works/, 'without the page');

    for my $case (
        [ 'a.test', "GET / HTTP/1.0\r\n\r\n",                                         '400 a', 'SNI, but no Host in HTTP/1.0' ],
        [ undef,    "GET / HTTP/1.0\r\n\r\n",                                         '200 a', 'neither' ],
        [ 'cert.test', "GET / HTTP/1.0\r\n\r\n",                                      '400 a', 'SNI of another host, but no Host' ],
        [ 'a.test', "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",                   '400 a', 'SNI, but no Host in HTTP/1.1' ],
        [ 'a.test', "GET / HTTP/1.0\r\nHost: cert.test\r\n\r\n",                     '421 cert', 'HTTP/1.0, another host' ],
        [ 'a.test', "GET https://cert.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", '421 cert',
          'another host in the request line, the same in Host' ],
        [ 'a.test', "GET https://a.test/ HTTP/1.1\r\nHost: cert.test\r\nConnection: close\r\n\r\n", '200 a',
          'the same host in the request line, another in Host' ],
        [ 'a.test', "GET / HTTP/1.1\r\nHost: cert.test.\r\nConnection: close\r\n\r\n", '421 cert', 'another host with a dot at the end' ],
        [ 'a.test', "GET / HTTP/1.1\r\nHost: a.test.\r\nConnection: close\r\n\r\n", '200 a', 'the same host with a dot at the end' ],
        [ 'a.test', "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", '200 a', 'an address as Host' ],
        [ '127.0.0.1', "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", '200 a', 'an address as SNI' ],
    ) {
        my ($sni, $request, $want, $what) = @$case;
        my $raw = tls_connect(port => $h->port, sni => $sni) or die $tls_error;
        print {$raw} $request;
        my $got = read_response($raw);
        is(($got ? "$got->{status} " . ($got->{headers}{'x-vhost'} || '-') : 'closed'), $want, $what);
    }

    SKIP: {
        skip 'mod_http2 offers nothing under prefork', 3 if mpm() eq 'prefork';
        my @h2 = ('-k', '--http2', resolve('alpn.test', $h->port));
        my ($status) = curl(@h2, 'https://alpn.test:' . $h->port . '/');
        is("$status $curl_info{http_version}", '200 2', 'h2');
        ($status) = curl(@h2, '-H', 'Host: same.test', 'https://alpn.test:' . $h->port . '/');
        is("$status $curl_info{http_version}", '200 2', 'h2, an equal host');
        ($status) = curl(@h2, '-H', 'Host: cert.test', 'https://alpn.test:' . $h->port . '/');
        is("$status $curl_info{http_version}", '421 2', 'h2, one that differs');
    }

    for my $case (
        [ cert => qr/SSLCertificate/ ], [ twocerts => qr/SSLCertificate/ ], [ protocol12 => qr/SSLProtocol/ ],
        [ cipher => qr/SSLCipherSuite/ ], [ verify => qr/SSLVerifyClient/ ], [ depth => qr/SSLVerifyDepth/ ],
        [ cafile => qr/SSLCACertificate/ ], [ crlfile => qr/SSLCARevocation/ ], [ dnfile => qr/SSLCADNRequest/ ],
        [ ocsp => qr/SSLOCSP/ ], [ conf => qr/SSLOpenSSLConfCmd/ ],
    ) {
        my ($name, $setting) = @$case;
        $h->log_mark;
        status($h->port, 'a.test', "$name.test");
        my $line = $h->errorlog_like(qr/^.*:error\].*AH02032:.*/m) || 'no AH02032';
        like($line, qr/a\.test.*\b$name\.test/, "$name: the log names both");
        SKIP: {
            skip 'ours only: the log names the setting that differs', 1 if is_stock();
            like($line, $setting, "$name: and the setting that differs");
        }
    }
};

done_testing;
