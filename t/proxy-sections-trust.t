# CAs and revocation lists for one backend from several <Proxy> sections: what an outer one demands is not lost.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(make_cert make_crl);

need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-sections-trust.$$";
make_cert(dir => $dir, name => $_, san => ['DNS:localhost'], key => 'ec') for qw(revoked fine);
make_crl('ca', "$dir/ca.crl", revoke => ["$dir/revoked.crt"]);

my $backend = ModSSL::Backend->nginx(map { $_ => { cert => "$dir/$_" } } qw(revoked fine));
my %url = map { $_ => 'https://localhost:' . $backend->port($_) . '/' } qw(revoked fine);
my $require = "SSLProxyVerify require\n";
my $ca = "SSLProxyCACertificateFile \@pki\@/ca.crt\n";
my $ca2 = "SSLProxyCACertificateFile \@pki\@/ca2.crt\n";
my $check = "SSLProxyCARevocationCheck chain\n";
my $list = "SSLProxyCARevocationFile $dir/ca.crl\n";

# name => [of the host, of <Proxy *>, of <Proxy URL>, status for: fine, revoked; and with the stock module, where that takes the inner section alone]
my %CASES = (
    listsout  => [$require, "$check$list", $ca, 200, 500, 200, 200],
    listsin   => [$require, $ca, "$check$list", 200, 500, 500, 500],
    allout    => ['', "$require$ca$check$list", 'SSLProxyProtocol TLSv1.2', 200, 500, 200, 200],
    allin     => ['', '', "$require$ca$check$list", 200, 500],
    allhost   => ["$require$ca$check$list", '', $ca, 200, 500],
    hostout   => ["$require$check$list", $ca, 'SSLProxyVerifyDepth 2', 200, 500, 500, 500],
    caboth    => [$require, $ca2, $ca, 200, 200],
    cawrong   => [$require, $ca, $ca2, 500, 500],
    checkoff  => [$require, "$ca$check$list", 'SSLProxyCARevocationCheck none', 200, 200, 500, 500],
);
my %hosts;
for my $name (keys %CASES) {
    my ($host, $out, $in) = @{ $CASES{$name} };
    $hosts{"${name}_$_"} = "$host<Proxy *>\n$out\n</Proxy>\nProxyPass / $url{$_} retry=0\n<Proxy $url{$_}>\n$in\n</Proxy>" for qw(fine revoked);
}
my $h = front(hosts => \%hosts);
$h->start or die $h->why;
for my $name (sort keys %CASES) {
    my (undef, undef, undef, @want) = @{ $CASES{$name} };
    splice @want, 0, 2 if is_stock() && @want > 2;
    is(via($h, "${name}_$_")->{status}, shift @want, "$name: $_") for qw(fine revoked);
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
