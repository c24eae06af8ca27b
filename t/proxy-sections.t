# SSLProxy directives in <Proxy> sections: they go before those of the host, which go before those of the main server, one by one.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd;
use ModSSL::PKI qw(pki_file);

need('nginx');
my $ca = pki_file('ca.crt');
my $want = "ssl_verify_client optional; ssl_client_certificate $ca;";
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa', more => $want }, other => { cert => 'other', more => $want },
    self => { cert => 'selfsigned' });
my ($rsa, $other, $self) = map { 'https://localhost:' . $backend->port($_) } qw(rsa other self);
my $proxy = pki_file('proxy.pem');
my $ec = pki_file('client-ec.pem');
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile $ca";
my $passes = "ProxyPass /rsa/ $rsa/ retry=0\nProxyPass /other/ $other/ retry=0\nProxyPass /self/ $self/ retry=0";
my $section = sub { "<Proxy $_[0]>\n$_[1]\n</Proxy>" };

# name => [text, { path => status, or status and what the backend has seen }]
my %CASES = (
    plain     => [$passes, { rsa => 200, other => 200, self => 200 }],
    host      => ["$require\n$passes", { rsa => 200, other => 500, self => 500 }],
    one       => ["$passes\n" . $section->("$other/", $require), { rsa => 200, other => 500, self => 200 }],
    none      => ["$require\n$passes\n" . $section->("$other/", 'SSLProxyVerify none'), { rsa => 200, other => 200, self => 500 }],
    before    => [$section->("$other/", $require) . "\n$passes", { rsa => 200, other => 500, self => 200 }],
    owncas    => ["$require\n$passes\n" . $section->("$other/", 'SSLProxyCACertificateFile @pki@/ca2.crt'), { rsa => 200, other => 200, self => 500 }],
    star      => ["$passes\n" . $section->('*', $require), { rsa => 200, other => 500, self => 500 }],
    match     => ["$passes\n<ProxyMatch ^$other>\n$require\n</ProxyMatch>", { rsa => 200, other => 500, self => 200 }],
    protocol  => ["SSLProxyProtocol TLSv1.2\n$passes\n" . $section->("$other/", 'SSLProxyProtocol TLSv1.3'),
                  { rsa => '200 protocol=TLSv1.2', other => '200 protocol=TLSv1.3' }],
    ciphers   => ["SSLProxyProtocol TLSv1.2\nSSLProxyCipherSuite AES128-GCM-SHA256\n$passes\n" . $section->("$other/", 'SSLProxyCipherSuite AES256-GCM-SHA384'),
                  { rsa => '200 cipher=AES128-GCM-SHA256', other => '200 cipher=AES256-GCM-SHA384' }],
    certs     => ["SSLProxyMachineCertificateFile $proxy\n$passes\n" . $section->("$other/", "SSLProxyMachineCertificateFile $ec"),
                  { rsa => '200 client=CN=proxy.test', other => '200 client=CN=EC Client' }],
    onecert   => ["$passes\n" . $section->("$other/", "SSLProxyMachineCertificateFile $ec"), { rsa => '200 client=', other => '200 client=CN=EC Client' }],
    keepcert  => ["SSLProxyMachineCertificateFile $proxy\n$passes\n" . $section->("$other/", 'SSLProxyProtocol TLSv1.2'),
                  { rsa => '200 client=CN=proxy.test', other => '200 client=CN=proxy.test' }],
    names     => ["ProxyPreserveHost on\n$passes\n" . $section->("$other/", "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN off"),
                  { rsa => 500, other => 200, self => 500 }, 'wrong.test'],
    depth     => ["$require\n$passes\n" . $section->("$rsa/", 'SSLProxyVerifyDepth 0'), { rsa => 500 }],
    location  => ["$require\n<Location /rsa/>\nProxyPass $rsa/\n</Location>\n" . $section->("$rsa/", 'SSLProxyCACertificateFile @pki@/ca2.crt'), { rsa => 500 }],
);
my $h = front(hosts => { map { $_ => $CASES{$_}[0] } keys %CASES });
$h->start or die $h->why;
for my $name (sort keys %CASES) {
    my (undef, $paths, $host) = @{ $CASES{$name} };
    for my $path (sort keys %$paths) {
        my $r = via($h, $name, path => "/$path/", host => $host || 'localhost');
        my ($status, $key, $value) = $paths->{$path} =~ /^(\d+)(?: (\w+)=(.*))?/;
        is($r->{status} . ($key ? " $key=" . ($r->{seen}{$key} // '') : ''), $paths->{$path}, "$name: $path");
    }
}

# What the main server says holds for hosts that say nothing of it, and only then.
my $main = ModSSL::Httpd->new(modules => [qw(proxy proxy_http)], listen => [qw(silent own)], config => <<"CONF");
SSLProxyEngine on
SSLProxyProtocol TLSv1.2
SSLProxyVerify require
SSLProxyCACertificateFile $ca
<VirtualHost 127.0.0.1:\@port:silent\@>
    $passes
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:own\@>
    SSLProxyVerify none
    $passes
</VirtualHost>
CONF
$main->start or die $main->why;
for my $case (['silent', 'rsa', 200], ['silent', 'other', 500], ['own', 'other', 200], ['own', 'self', 200]) {
    my ($host, $path, $status) = @$case;
    my $r = via($main, $host, path => "/$path/");
    is($r->{status}, $status, "main server, $host: $path");
    is($r->{seen}{protocol}, 'TLSv1.2', '... protocol') if $status == 200;
}
ok($main->graceful, 'graceful restart');
is(via($main, 'silent', path => '/rsa/')->{status}, 200, '... and after it');
ok($h->stop, 'server stops');
unlike($h->errorlog . $main->errorlog, qr/segmentation fault|exit signal/i, 'error log');
done_testing;
