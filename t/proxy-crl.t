# Revocation lists for backends: SSLProxyCARevocationCheck, ...File and ...Path.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need bundled);
use ModSSL::PKI qw(pki_file make_cert make_crl spew slurp openssl);

need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-crl.$$";
make_cert(dir => $dir, name => 'revoked', san => ['DNS:localhost'], key => 'ec');
make_cert(dir => $dir, name => 'fine', san => ['DNS:localhost'], key => 'ec');
make_cert(dir => $dir, name => 'under', ca => 'inter', san => ['DNS:localhost'], key => 'ec');
spew("$dir/under.crt", slurp("$dir/under.crt"), bundled('inter'));
make_crl('ca', "$dir/ca.crl", revoke => ["$dir/revoked.crt"]);
make_crl('ca', "$dir/old.crl", args => ['-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20200201000000Z']);
spew("$dir/both.crl", slurp("$dir/ca.crl"), slurp(pki_file('inter.crl')));
mkdir "$dir/crls";
spew("$dir/crls/$_->[0]", slurp($_->[1])) for ['ca.pem', "$dir/ca.crl"], ['inter.pem', pki_file('inter.crl')];
openssl('rehash', "$dir/crls");

my $backend = ModSSL::Backend->nginx(map { $_ => { cert => "$dir/$_" } } qw(revoked fine under));
my %lists = (ca => "SSLProxyCARevocationFile $dir/ca.crl", both => "SSLProxyCARevocationFile $dir/both.crl",
    path => "SSLProxyCARevocationPath $dir/crls", old => "SSLProxyCARevocationFile $dir/old.crl",
    inter => 'SSLProxyCARevocationFile @pki@/inter.crl');
my $require = "SSLProxyVerify require\nSSLProxyVerifyDepth 3\nSSLProxyCACertificateFile \@pki\@/ca.crt\n";

# [SSLProxyCARevocationCheck, lists, status for: fine, revoked, under an intermediate CA]
my @CASES = (
    ['none',                 'ca',    200, 200, 200],
    ['leaf',                 'ca',    200, 500, 500],
    ['chain',                'ca',    200, 500, 500],
    ['leaf',                 'both',  200, 500, 200],
    ['chain',                'both',  200, 500, 200],
    ['leaf',                 'inter', 500, 500, 200],
    ['chain',                'inter', 500, 500, 500],
    ['chain no_crl_for_cert_ok', 'inter', 200, 200, 200],
    ['leaf no_crl_for_cert_ok',  'ca',    200, 500, 200],
    ['leaf',                 'path',  200, 500, 200],
    ['chain',                'path',  200, 500, 200],
    ['leaf',                 'old',   500, 500, 500],
    ['chain no_crl_for_cert_ok', 'old', 500, 500, 500],
    ['none',                 'old',   200, 200, 200],
);
my %hosts;
for my $n (0 .. $#CASES) {
    my ($check, $list) = @{ $CASES[$n] };
    $hosts{"h${n}_$_"} = "${require}SSLProxyCARevocationCheck $check\n$lists{$list}\nProxyPass / https://localhost:" . $backend->port($_) . "/ retry=0\n"
        for qw(fine revoked under);
}
# Nothing is verified: nor are lists looked at.
$hosts{unverified} = "SSLProxyVerify none\nSSLProxyCACertificateFile \@pki\@/ca.crt\nSSLProxyCARevocationCheck chain\n$lists{ca}\n"
    . "ProxyPass / https://localhost:" . $backend->port('revoked') . "/ retry=0\n";
my $h = front(hosts => \%hosts);
$h->start or die $h->why;
for my $n (0 .. $#CASES) {
    my ($check, $list, @want) = @{ $CASES[$n] };
    is(via($h, "h${n}_$_")->{status}, shift @want, "$check, list $list: $_") for qw(fine revoked under);
}
is(via($h, 'unverified')->{status}, 200, 'SSLProxyVerify none: revoked');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');

my $wrong = front(hosts => { x => "${require}SSLProxyCARevocationCheck chain\n" });
my $why = $wrong->start_fails;
ok(defined $why, 'a check without lists: the server refuses to start');
like($why || '', qr/localhost:\d+.*SSLProxyCARevocation(?:File|Path)/, '... and says which host, and what is missing');
done_testing;
