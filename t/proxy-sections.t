# SSLProxy directives in <Proxy> sections: they go before those of the host, which go before those of the main server, one by one.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need bundled);
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(pki_file make_cert make_crl spew slurp);

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

# What belongs together may come from several sections, which are merged field by field: CAs, lists, certificates and their chains.
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-sections.$$";
make_cert(dir => $dir, name => $_, san => ['DNS:localhost'], key => 'ec') for qw(revoked fine);
make_crl('ca', "$dir/ca.crl", revoke => ["$dir/revoked.crt"]);
spew("$dir/chain.pem", bundled('inter'));
mkdir "$dir/certs";
spew("$dir/certs/1.pem", slurp($proxy));
my $ask = "ssl_verify_client optional; ssl_verify_depth 3; ssl_client_certificate $ca;";
my $more = ModSSL::Backend->nginx(fine => { cert => "$dir/fine", more => $ask }, revoked => { cert => "$dir/revoked", more => $ask });
my @paths = qw(fine revoked);
my $to = join "\n", map { "ProxyPass /$_/ https://localhost:" . $more->port($_) . '/ retry=0' } @paths;
my $split = sub {
    my ($all, $one) = @_;
    return "$to\n" . $section->('*', $all) . "\n" . join "\n", map { $section->('https://localhost:' . $more->port($_) . '/', $one) } @paths;
};
my $lists = "SSLProxyCARevocationCheck chain\nSSLProxyCARevocationFile $dir/ca.crl";
my $inter = 'SSLProxyMachineCertificateFile ' . pki_file('client-inter.pem');
my $chain = "SSLProxyMachineCertificateChainFile $dir/chain.pem";
%CASES = (%CASES,
    split_ca_crl  => [$split->($require, $lists), { fine => 200, revoked => 500 }],
    split_crl_ca  => [$split->($lists, $require), { fine => 200, revoked => 500 }],
    split_crl_ca2 => [$split->($lists, "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca2.crt"), { fine => 500, revoked => 500 }],
    split_verify  => [$split->("$lists\nSSLProxyCACertificateFile $ca", 'SSLProxyVerify require'), { fine => 200, revoked => 500 }],
    split_cert_ca => [$split->("SSLProxyMachineCertificateFile $proxy", $require), { fine => '200 client=CN=proxy.test', revoked => '200 client=CN=proxy.test' }],
    split_ca_cert => [$split->($require, "SSLProxyMachineCertificateFile $proxy"), { fine => '200 client=CN=proxy.test', revoked => '200 client=CN=proxy.test' }],
    split_chain   => [$split->($chain, $inter), { fine => '200 client=CN=Inter Client' }],
    split_niahc   => [$split->($inter, $chain), { fine => '200 client=CN=Inter Client' }],
    split_path    => [$split->("SSLProxyMachineCertificatePath $dir/certs", "SSLProxyMachineCertificateFile $ec"), { fine => '200 client=CN=EC Client' }],
    split_three   => ["SSLProxyVerify require\n$to\n" . $section->('*', "SSLProxyCACertificateFile $ca") . "\n<ProxyMatch ^https>\n$lists\n</ProxyMatch>\n"
                      . $section->('https://localhost:' . $more->port('fine') . '/', "SSLProxyMachineCertificateFile $proxy"),
                      { fine => '200 client=CN=proxy.test', revoked => 500 }],
);
# The stock module takes the innermost section alone, over its host: what it says where that is something else.
my %STOCK = (split_ca_crl => { revoked => 200 }, split_crl_ca => { revoked => 200 }, split_verify => { fine => 500 }, split_three => { fine => '500 client=' },
    split_chain => { fine => '200 client=' }, split_niahc => { fine => '200 client=' }, split_cert_ca => { fine => '200 client=', revoked => '200 client=' });
if (is_stock()) {
    $CASES{$_}[1] = { %{ $CASES{$_}[1] }, %{ $STOCK{$_} } } for keys %STOCK;
}
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
unlike($h->errorlog . $main->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
