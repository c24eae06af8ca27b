# SSLProxyProtocol and both forms of SSLProxyCipherSuite: what is offered to the backend.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);

need('nginx');
my $backend = ModSSL::Backend->nginx(
    new => { cert => 'rsa' }, tls13 => { cert => 'rsa', more => 'ssl_protocols TLSv1.3;' }, tls12 => { cert => 'rsa', more => 'ssl_protocols TLSv1.2;' },
    old => { cert => 'rsa', more => 'ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;' });

# [directives, backend, status, protocol, cipher (undef: whichever)]
my @CASES = (
    ['', 'new', 200, 'TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
    ['', 'tls12', 200, 'TLSv1.2', 'ECDHE-RSA-AES256-GCM-SHA384'],
    ['SSLProxyProtocol all -SSLv3', 'new', 200, 'TLSv1.3'],
    ['SSLProxyProtocol TLSv1.2', 'new', 200, 'TLSv1.2'],
    ['SSLProxyProtocol TLSv1.2', 'tls13', 500],
    ['SSLProxyProtocol TLSv1.3', 'new', 200, 'TLSv1.3'],
    ['SSLProxyProtocol TLSv1.3', 'tls12', 500],
    ['SSLProxyProtocol all -TLSv1.3', 'new', 200, 'TLSv1.2'],
    ['SSLProxyProtocol -all +TLSv1.3', 'new', 200, 'TLSv1.3'],
    ['', 'old', 500],
    ["SSLProxyCipherSuite ALL:\@SECLEVEL=0", 'old', 200, 'TLSv1.1'],
    ["SSLProxyProtocol TLSv1\nSSLProxyCipherSuite ALL:\@SECLEVEL=0", 'old', 200, 'TLSv1'],
    ["SSLProxyCipherSuite ECDHE-RSA-AES128-GCM-SHA256", 'tls12', 200, 'TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ["SSLProxyCipherSuite ECDHE-RSA-AES128-GCM-SHA256", 'new', 200, 'TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
    ["SSLProxyCipherSuite SSL ECDHE-RSA-AES128-GCM-SHA256", 'tls12', 200, 'TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ["SSLProxyCipherSuite TLSv1.3 TLS_CHACHA20_POLY1305_SHA256", 'new', 200, 'TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
    ["SSLProxyCipherSuite TLSv1.3 TLS_CHACHA20_POLY1305_SHA256", 'tls12', 200, 'TLSv1.2', 'ECDHE-RSA-AES256-GCM-SHA384'],
    ["SSLProxyCipherSuite SSL AES128-SHA\nSSLProxyCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256", 'tls13', 200, 'TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
    ["SSLProxyCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256\nSSLProxyProtocol TLSv1.2", 'new', 500],
);
my %hosts = map { ("h$_" => "$CASES[$_][0]\nProxyPass / https://localhost:" . $backend->port($CASES[$_][1]) . "/ retry=0\n") } 0 .. $#CASES;
my $h = front(hosts => \%hosts);
$h->start or die $h->why;
for my $n (0 .. $#CASES) {
    my ($directives, $name, $status, $protocol, $cipher) = @{ $CASES[$n] };
    my $r = via($h, "h$n");
    my $label = ($directives =~ tr/\n/,/r || 'default') . ", backend $name";
    is($r->{status}, $status, $label);
    next if $status != 200;
    is($r->{seen}{protocol}, $protocol, '... protocol');
    is($r->{seen}{cipher}, $cipher, '... cipher') if defined $cipher;
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
