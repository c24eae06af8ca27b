# SSLFIPS: on and off contradict each other; on without a FIPS provider is a start that fails and says so.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(openssl);

my $h = ModSSL::Httpd->new;
my $host = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";
for (
    ["SSLFIPS off",               0],
    ["SSLFIPS on",                0],
    ["SSLFIPS on\nSSLFIPS on",    0],
    ["SSLFIPS on\nSSLFIPS off",   1],
    ["SSLFIPS off\nSSLFIPS on",   1],
    ["SSLFIPS maybe",             1],
    ["<VirtualHost *:1>\nSSLFIPS on\n</VirtualHost>", 1],
) {
    my ($lines, $want) = @$_;
    $h->config("$lines\n$host");
    my ($rc, $out) = $h->configtest;
    is($rc, $want, 'configtest: ' . $lines =~ s/\n/ \/ /gr) or diag $out;
}

$h->config("SSLFIPS off\n$host");
ok($h->start, 'off: starts') or diag $h->why;
$h->stop;

SKIP: {
    my $modules = openssl('version', '-m') =~ /"(.*)"/ ? $1 : '';
    skip 'this OpenSSL has a FIPS provider', 2 if -e "$modules/fips.so";
    $h->config("SSLFIPS on\n$host");
    my $why = $h->start_fails;
    like($why, qr/:emerg\].*AH02312/, 'on, without the provider: no start');
    skip 'the stock module claims that the mode is on, and fails later', 1 if is_stock();
    like($why, qr/:emerg\].*AH01885: .*FIPS provider cannot be used/, 'and the reason');
}

done_testing;
