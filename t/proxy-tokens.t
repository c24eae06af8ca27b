# A client certificate whose key is in a token (SSLProxyMachineCertificateFile pkcs11:...), by the engine of libp11.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(pki_file);
use ModSSL::Token;

ours_only('the stock module takes no PKCS#11 keys for backends');
need('nginx');
my $missing = ModSSL::Token::missing();
plan skip_all => $missing if $missing;

my $ca = pki_file('ca.crt');
my $backend = ModSSL::Backend->nginx(map { $_ => { cert => 'rsa', more => "ssl_verify_client on; ssl_client_certificate $ca; ssl_protocols $_;" } } qw(TLSv1.2 TLSv1.3));
sub pass { return join "\n", map { "ProxyPass /$_/ https://localhost:" . $backend->port($_) . '/ disablereuse=on retry=0' } qw(TLSv1.2 TLSv1.3) }

sub server {
    my (%uri) = @_;
    my $h = front(main => "SSLCryptoDevice pkcs11\n", hosts => {});
    my $token = ModSSL::Token->new($h->root, pin => '471147', keys => [qw(proxy client-ec)]);
    $h->{env} = $token->env;
    my $hosts = { map { $_ => 'SSLProxyMachineCertificateFile "' . $token->uri($uri{$_}[0]) . "$uri{$_}[1]\"\n" . pass() } keys %uri };
    my $with = front(main => "SSLCryptoDevice pkcs11\n", hosts => $hosts);
    $with->{env} = $token->env;
    return ($with, $h);
}

my ($h, $keep) = server(rsa => ['proxy', '?pin-value=471147'], ec => ['client-ec', '?pin-value=471147']);
ok($h->start, 'starts') or diag $h->why;
for my $again ('', 'graceful') {
    ok($h->graceful, 'graceful restart') if $again;
    for my $case (['rsa', 'proxy.test'], ['ec', 'EC Client']) {
        my ($host, $cn) = @$case;
        for my $version (qw(TLSv1.2 TLSv1.3)) {
            my $r = via($h, $host, path => "/$version/");
            is("$r->{status} $r->{seen}{client}", "200 CN=$cn", "$host, $version");
        }
    }
}
unlike($h->errorlog, qr/471147/, 'the PIN is not in the log');
ok($h->stop, 'server stops');

my ($wrong) = server(x => ['no-such', '?pin-value=471147']);
my $why = $wrong->start_fails;
ok(defined $why, 'no such object: no start');
like($why || '', qr/AH1013[36].*object=no-such/, '... and it is named');
unlike($why || '', qr/471147/, '... without the PIN');
done_testing;
