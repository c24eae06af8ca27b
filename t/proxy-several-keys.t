# Client certificates of several algorithms for one backend: the one is sent whose signature the backend takes.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(pki_file slurp spew);

ours_only('the stock module sends the first one that fits the list of CAs');
need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-several.$$";
mkdir $dir;
my $both = spew("$dir/both.pem", map { slurp(pki_file("$_.pem")) } qw(proxy client-ec));
my $htob = spew("$dir/htob.pem", map { slurp(pki_file("$_.pem")) } qw(client-ec proxy));
my $ca = pki_file('ca.crt');

# openssl s_server can say which signatures of clients it takes.
sub server {
    my (@args) = @_;
    return ModSSL::Backend->program(ready => qr/ACCEPT/, cmd => ['openssl', 's_server', '-accept', '127.0.0.1:@port@', '-cert', '@pki@/rsa.crt',
        '-key', '@pki@/rsa.key', '-www', '-Verify', 2, '-CAfile', $ca, '-verify_return_error', @args]);
}
my %backend = (
    any     => server(),
    rsa13   => server('-tls1_3', '-client_sigalgs', 'rsa_pss_rsae_sha256'),
    ec13    => server('-tls1_3', '-client_sigalgs', 'ecdsa_secp256r1_sha256'),
    rsa12   => server('-tls1_2', '-client_sigalgs', 'rsa_pkcs1_sha256'),
    ec12    => server('-tls1_2', '-client_sigalgs', 'ECDSA+SHA256'),
);
my %CASES = (map { my $b = $_; ("${b}_both" => [$b, $both], "${b}_htob" => [$b, $htob]) } keys %backend);
my $h = front(hosts => { map { $_ => "SSLProxyMachineCertificateFile $CASES{$_}[1]\nProxyPass / https://localhost:" . $backend{ $CASES{$_}[0] }->port . '/ disablereuse=on retry=0' } keys %CASES });
$h->start or die $h->why;
my %want = (any_both => 'proxy.test', any_htob => 'EC Client',
    map({ ("rsa${_}_both" => 'proxy.test', "rsa${_}_htob" => 'proxy.test', "ec${_}_both" => 'EC Client', "ec${_}_htob" => 'EC Client') } 12, 13));
for my $name (sort keys %want) {
    my $r = via($h, $name);
    is($r->{status}, 200, $name);
    is($r->{body} =~ /Subject: CN ?= ?(.+)/ ? $1 : '', $want{$name}, '... certificate');
}
ok($h->alive, 'server lives');
ok($h->stop, 'server stops');
done_testing;
