# Why a backend's certificate is refused is said in the log, at level error with the backend and the virtual host, and in the page:
# expired, not yet valid, self-signed, unknown issuer, incomplete chain, too deep, wrong name, wrong usage.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(make_cert pki_file slurp spew);
ours_only('the stock module says less, in other words');
need('nginx');

my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-why.$$";
make_cert(dir => $dir, name => 'usage', cn => 'usage.test', san => ['DNS:localhost'], type => 'client', key => 'ec');
make_cert(dir => $dir, name => 'selfsigned', ca => 'self', cn => 'self.test', san => ['DNS:localhost'], key => 'ec');
make_cert(dir => $dir, name => 'expired', cn => 'old.test', san => ['DNS:localhost'], key => 'ec', start => -90 * 86400, end => -86400);
make_cert(dir => $dir, name => 'notyet', cn => 'new.test', san => ['DNS:localhost'], key => 'ec', start => 10 * 86400);
make_cert(dir => $dir, name => 'inter', ca => 'inter', cn => 'inter.test', san => ['DNS:localhost'], key => 'ec');
make_cert(dir => $dir, name => 'whole', ca => 'inter', cn => 'whole.test', san => ['DNS:localhost'], key => 'ec');
spew("$dir/whole.crt", slurp("$dir/whole.crt"), slurp(pki_file('inter.crt')));
make_cert(dir => $dir, name => 'names', cn => 'one.test', san => ['DNS:two.test', 'DNS:*.three.test', 'IP:192.0.2.1'], key => 'ec');
make_cert(dir => $dir, name => 'other', ca => 'ca2', cn => 'other.test', san => ['DNS:localhost'], key => 'ec');
my @names = qw(usage selfsigned expired notyet inter whole names other);
my $backend = ModSSL::Backend->nginx(map { $_ => { cert => "$dir/$_" } } @names);
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca.crt\n";
my $date = qr/\w+ +\d+ [\d:]+ \d+ GMT/;

# name => [backend, directives, number of the message, why]
my %CASES = (
    self      => ['selfsigned', $require, '02003', qr/'CN=self\.test' is self-signed/],
    unknown   => ['other', $require, '02003', qr/the issuer of 'CN=other\.test', 'CN=\S.*?', is not known/],
    chain     => ['inter', "${require}SSLProxyVerifyDepth 3", '02003', qr/the issuer of 'CN=inter\.test', 'CN=Test Intermediate CA', is not known: .*backend did not/],
    depth     => ['whole', $require, '02003', qr/SSLProxyVerifyDepth/],
    usage     => ['usage', $require, '02003', qr/'CN=usage\.test'/],
    expired   => ['expired', '', '02004', qr/expired on $date/],
    expired_v => ['expired', $require, '02003', qr/expired on $date/],
    notyet    => ['notyet', '', '02004', qr/not valid before $date/],
    notyet_v  => ['notyet', $require, '02003', qr/not valid before $date/],
    names     => ['names', '', '02411', qr/is not for the name 'localhost' that was asked for; its names are 'two\.test', '\*\.three\.test'/],
    cn        => ['names', "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN on", '02005', qr/the common name of its certificate is 'one\.test', not 'localhost' as was asked for/],
);
my $h = front(hosts => { map { $_ => "$CASES{$_}[1]\nServerName $_.test\nProxyPass / https://localhost:" . $backend->port($CASES{$_}[0]) . '/ retry=0' } keys %CASES });
$h->start or die $h->why;
for my $name (sort keys %CASES) {
    my ($to, undef, $number, $why) = @{ $CASES{$name} };
    $h->log_mark;
    my $r = via($h, $name);
    is($r->{status}, 500, "$name: status");
    my $port = $backend->port($to);
    my @lines = grep { /\[ssl:error\]/ } split /\n/, $h->errorlog;
    is(scalar @lines, 1, '... one line at level error') or diag join "\n", @lines;
    like($lines[0], qr/AH$number: TLS to the backend 127\.0\.0\.1:$port \(as 'localhost'\) failed: .*$why.* \(server \Q$name\E\.test:\d+\)$/, '... which says why');
    (my $page = $r->{body}) =~ s/&#39;|&#x27;/'/g;
    like($page, qr/The backend was refused: .*$why/, '... as does the page');
    unlike($page, qr/127\.0\.0\.1|:$port/, '... but not where the backend is');
}
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
