# A backend behind a UNIX domain socket, over TLS: "unix:/path|https://name/".
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::PKI qw(pki_file);

need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-uds.$$";
mkdir $dir;
chmod 0755, $dir;
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa', more => "listen unix:$dir/s ssl;" });
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile " . pki_file('ca.crt') . "\n";
# name => [name of the backend, text, status]
my %CASES = (
    right   => ['localhost', $require, 200],
    again   => ['localhost', "$require", 200, 'disablereuse=on'],
    wrong   => ['wrong.test', $require, 500],
    unknown => ['localhost', "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca2.crt\n", 500],
    closed  => ['localhost', '', 503],
);
my $h = front(hosts => { map { $_ => "$CASES{$_}[1]ProxyPass / unix:$dir/" . ($_ eq 'closed' ? 'none' : 's') . "|https://$CASES{$_}[0]/ retry=0 " . ($CASES{$_}[3] || '') } keys %CASES });
$h->start or die $h->why;
for my $name (sort keys %CASES) {
    is(via($h, $name)->{status}, $CASES{$name}[2], "$name, $_") for 1 .. 2;
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
