# Which backends are refused by SSLProxyVerify, SSLProxyVerifyDepth and the three SSLProxyCheckPeer... directives.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need bundled);
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(make_cert spew slurp pki_file);

need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-verify.$$";
my $new = sub { make_cert(dir => $dir, @_) };
$new->(name => 'cnonly', cn => 'cnonly.test', key => 'ec');
$new->(name => 'cnother', cn => 'cn.test', san => ['DNS:san.test'], key => 'ec');
$new->(name => 'cnip', cn => '127.0.0.1', key => 'ec');
$new->(name => 'cnwild', cn => '*.wild.test', key => 'ec');
$new->(name => 'ipsan', cn => 'nobody.test', san => ['IP:127.0.0.1', 'IP:::1'], key => 'ec');
$new->(name => 'ipdns', cn => 'nobody.test', san => ['DNS:127.0.0.1'], key => 'ec');
$new->(name => 'wild', cn => 'nobody.test', san => ['DNS:*.wild.test', 'DNS:*.test', 'DNS:w*.part.test'], key => 'ec');
$new->(name => 'email', cn => 'cn.test', san => ['email:x@email.test'], key => 'ec');
$new->(name => 'client', cn => 'usage.test', san => ['DNS:usage.test'], type => 'client', key => 'ec');
$new->(name => 'sub1', ca => 'inter', type => 'ca', cn => 'Sub CA 1', key => 'ec');
$new->(name => 'sub2', issuer => 'sub1', type => 'ca', cn => 'Sub CA 2', key => 'ec');
$new->(name => 'deep', issuer => 'sub2', cn => 'deep.test', san => ['DNS:deep.test'], key => 'ec');
$new->(name => 'oldca', ca => 'self', type => 'ca', cn => 'Old CA', start => -86400 * 730, end => -86400 * 365, key => 'ec');
$new->(name => 'underold', issuer => 'oldca', cn => 'underold.test', san => ['DNS:underold.test'], key => 'ec');
spew("$dir/deep.crt", slurp("$dir/deep.crt"), slurp("$dir/sub2.crt"), slurp("$dir/sub1.crt"), bundled('inter'));
my $cas = spew("$dir/cas.crt", bundled('ca'), slurp("$dir/oldca.crt"));

my @own = qw(cnonly cnother cnip cnwild ipsan ipdns wild email client deep underold);
my $backend = ModSSL::Backend->nginx(
    (map { $_ => { cert => $_ } } qw(rsa chain other expired notyet selfsigned)), (map { $_ => { cert => "$dir/$_" } } @own),
    leafonly => { cert => leaf_only() });

sub leaf_only {
    spew("$dir/leaf.crt", slurp(pki_file('chain-leaf.crt')));
    spew("$dir/leaf.key", slurp(pki_file('chain.key')));
    return "$dir/leaf";
}

# The settings; each is a virtual host per backend that it is used with.
my $no_names = "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN off\n";
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile $cas\n";
my %set = (
    default       => '',
    expireoff     => 'SSLProxyCheckPeerExpire off',
    nameoff       => 'SSLProxyCheckPeerName off',
    nameoffcnon   => "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN on",
    cnon          => 'SSLProxyCheckPeerCN on',
    cnoff         => 'SSLProxyCheckPeerCN off',
    bothoff       => $no_names,
    alloff        => "${no_names}SSLProxyCheckPeerExpire off",
    cnoffexplicit => "SSLProxyCheckPeerName on\nSSLProxyCheckPeerCN off",
    none          => "SSLProxyVerify none\nSSLProxyCACertificateFile $cas",
    optional      => "SSLProxyVerify optional\nSSLProxyCACertificateFile $cas",
    optionalnoca  => "SSLProxyVerify optional_no_ca\nSSLProxyCACertificateFile $cas",
    require       => $require,
    requireoff    => "$require${no_names}SSLProxyCheckPeerExpire off",
    optionaloff   => "SSLProxyVerify optional\nSSLProxyCACertificateFile $cas\n${no_names}SSLProxyCheckPeerExpire off",
    nocaoff       => "SSLProxyVerify optional_no_ca\nSSLProxyCACertificateFile $cas\n${no_names}SSLProxyCheckPeerExpire off",
    path          => "SSLProxyVerify require\nSSLProxyCACertificatePath \@pki\@/ca-dir\nSSLProxyVerifyDepth 3",
    both          => "SSLProxyVerify require\nSSLProxyCACertificatePath \@pki\@/ca-dir\nSSLProxyCACertificateFile \@pki\@/ca2.crt\nSSLProxyVerifyDepth 3",
    interonly     => "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/inter.crt\nSSLProxyVerifyDepth 3",
    leafasca      => "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/selfsigned.crt",
    nocafile      => 'SSLProxyVerify require',
    map { ("depth$_" => "${require}SSLProxyVerifyDepth $_") } 0 .. 5,
);

# [setting, backend, Host of the request (undef: the backend is at 127.0.0.1 and that is the name), status, status under ours]
my @CASES = (
    # names
    map({ ['default', @$_] } ['rsa', 'rsa.test', 200], ['rsa', 'localhost', 200], ['rsa', 'a.wild.test', 200], ['rsa', 'wrong.test', 500],
        ['rsa', 'a.b.wild.test', 500], ['rsa', 'wild.test', 500], ['rsa', undef, 500, 200],
        ['cnonly', 'cnonly.test', 200], ['cnonly', 'CNonly.TEST', 200], ['cnonly', 'other.test', 500],
        ['cnother', 'san.test', 200], ['cnother', 'cn.test', 200], ['cnip', undef, 200], ['cnwild', 'a.wild.test', 200],
        ['ipsan', undef, 500, 200], ['ipsan', '[::1]', 500, 200], ['ipsan', '127.0.0.2', 500], ['ipdns', undef, 200],
        ['wild', 'x.test', 200], ['wild', 'www.part.test', 500], ['wild', 'xn--a.wild.test', 200], ['email', 'cn.test', 200],
        # dates
        ['expired', 'expired.test', 500], ['notyet', 'notyet.test', 500], ['selfsigned', 'selfsigned.test', 200],
        ['other', 'other.test', 200], ['client', 'usage.test', 200], ['deep', 'deep.test', 200]),
    ['expireoff', 'expired', 'expired.test', 200],
    ['expireoff', 'notyet', 'notyet.test', 200],
    ['expireoff', 'expired', 'wrong.test', 500],
    ['alloff', 'expired', 'wrong.test', 200],
    # which of the name checks counts
    ['nameoff', 'rsa', 'wrong.test', 200],
    ['nameoffcnon', 'rsa', 'wrong.test', 500],
    ['nameoffcnon', 'rsa', 'rsa.test', 200],
    ['nameoffcnon', 'rsa', 'localhost', 500],
    ['nameoffcnon', 'cnother', 'cn.test', 200],
    ['nameoffcnon', 'cnother', 'san.test', 500],
    ['nameoffcnon', 'cnonly', 'CNonly.TEST', 200],
    ['nameoffcnon', 'cnwild', 'a.wild.test', 200],
    ['nameoffcnon', 'cnwild', 'wild.test', 500],
    ['nameoffcnon', 'cnip', undef, 200],
    ['nameoffcnon', 'wild', 'nobody.test', 200],
    ['cnon', 'rsa', 'wrong.test', 500],
    ['cnon', 'rsa', 'localhost', 200],
    ['cnoff', 'rsa', 'wrong.test', 200],
    ['cnoffexplicit', 'rsa', 'wrong.test', 500],
    ['bothoff', 'rsa', 'wrong.test', 200],
    ['bothoff', 'expired', 'expired.test', 500],
    # levels: with the default depth of 1 no intermediate CA is allowed
    map({ ['none', @$_] } ['rsa', 'rsa.test', 200], ['chain', 'chain.test', 200], ['selfsigned', 'selfsigned.test', 200],
        ['other', 'other.test', 200], ['leafonly', 'chain.test', 200], ['expired', 'expired.test', 500], ['client', 'usage.test', 200]),
    map({ my $level = $_; map { [$level, @$_] }
        ['rsa', 'rsa.test', 200], ['chain', 'chain.test', 500], ['selfsigned', 'selfsigned.test', 500], ['other', 'other.test', 500],
        ['leafonly', 'chain.test', 500], ['expired', 'expired.test', 500], ['client', 'usage.test', 500],
    } qw(optional require)),
    map({ ['optionalnoca', @$_] } ['rsa', 'rsa.test', 200], ['chain', 'chain.test', 500], ['selfsigned', 'selfsigned.test', 200],
        ['other', 'other.test', 200], ['leafonly', 'chain.test', 200], ['expired', 'expired.test', 500], ['client', 'usage.test', 500]),
    map({ ['path', @$_] } ['rsa', 'rsa.test', 200], ['chain', 'chain.test', 200], ['selfsigned', 'selfsigned.test', 500],
        ['other', 'other.test', 500], ['leafonly', 'chain.test', 200]),
    # SSLProxyCheckPeerExpire off is for those only whose certificate is not verified
    map({ my $level = $_; map { [$level, @$_] }
        ['expired', 'expired.test', 500], ['notyet', 'notyet.test', 500], ['underold', 'underold.test', 500],
    } qw(requireoff optionaloff nocaoff)),
    ['require', 'underold', 'underold.test', 500],
    ['none', 'underold', 'underold.test', 200],
    ['require', 'rsa', 'wrong.test', 500],
    ['both', 'other', 'other.test', 200],
    ['both', 'leafonly', 'chain.test', 200],
    ['both', 'rsa', 'rsa.test', 200],
    ['interonly', 'chain', 'chain.test', 500],
    ['interonly', 'rsa', 'rsa.test', 500],
    ['leafasca', 'selfsigned', 'selfsigned.test', 200],
    ['nocafile', 'rsa', 'rsa.test', 500],
    # depth
    map({ my ($depth, $rsa, $chain, $deep) = @$_;
        (["depth$depth", 'rsa', 'rsa.test', $rsa], ["depth$depth", 'chain', 'chain.test', $chain], ["depth$depth", 'deep', 'deep.test', $deep])
    } [0, 500, 500, 500], [1, 200, 500, 500], [2, 200, 200, 500], [3, 200, 200, 500], [4, 200, 200, 200], [5, 200, 200, 200]),
);
my %hosts;
for my $case (@CASES) {
    my ($set, $name, $host) = @$case;
    my $preserve = defined $host ? "ProxyPreserveHost on\n" : '';
    $hosts{"${set}_$name" . (defined $host ? '' : '_ip')} ||= "$set{$set}\n${preserve}ProxyPass / https://127.0.0.1:" . $backend->port($name) . "/ retry=0\n";
}
my $h = front(hosts => \%hosts);
$h->start or die $h->why;
for my $case (@CASES) {
    my ($set, $name, $host, @status) = @$case;
    my $r = via($h, "${set}_$name" . (defined $host ? '' : '_ip'), host => $host || 'localhost');
    my $want = is_stock() ? $status[0] : $status[-1];
    is($r->{status}, $want, "$set: $name as " . ($host || '127.0.0.1'));
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
