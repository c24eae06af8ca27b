# mod_gnutls CVE-2026-33307: a client certificate chain longer than the array for it. Chains of any length are refused or served
# by SSLVerifyDepth, and their variables hold all that was sent.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert slurp spew);

my $h = ModSSL::Httpd->new(config => <<'END');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
SSLCACertificateFile  @root@/conf/root.crt
SSLVerifyClient optional
SSLVerifyDepth 60
SSLOptions +StdEnvVars +ExportCertData
<Location /shallow>
    SSLVerifyClient require
    SSLVerifyDepth 3
</Location>
END
# A chain of 40 CAs, whose first is the root that the server knows, and clients below some of them.
my $dir = $h->root . '/conf';
make_cert(dir => $dir, name => 'root', cn => 'Long Root', ca => 'self', key => 'ec', type => 'ca');
my @chain = ('root');
for my $n (1 .. 40) {
    make_cert(dir => $dir, name => "ca$n", cn => "Long CA $n", issuer => $chain[-1], key => 'ec', type => 'ca');
    push @chain, "ca$n";
}
my %client;
for my $n (1, 2, 8, 9, 16, 17, 40) {
    make_cert(dir => $dir, name => "client$n", cn => "Client $n", issuer => "ca$n", key => 'ec', type => 'client');
    $client{$n} = spew("$dir/client$n.all", slurp("$dir/client$n.crt"), map { slurp("$dir/$_.crt") } reverse @chain[1 .. $n]);
}
# The same with a certificate that repeats itself: 90 in all, of which 4 are needed.
$client{90} = spew("$dir/client90.all", slurp("$dir/client2.crt"), map({ slurp("$dir/$_.crt") } @chain[2, 1]), slurp("$dir/ca9.crt") x 87);
spew("$dir/client90.key", slurp("$dir/client2.key"));

$h->file('htdocs/shallow/index.html', "shallow\n");
$h->start or BAIL_OUT($h->why);
for my $version ('1.2', '1.3') {
    for my $n (sort { $a <=> $b } keys %client) {
        my @who = (port => $h->port, version => $version, cert => $client{$n}, key => "$dir/client$n.key");
        my $s = tls_connect(@who) or BAIL_OUT("$n: $tls_error");
        my $r = http_get($s, '/cgi/env', 'localhost');
        my ($verify) = $r->{body} =~ /^SSL_CLIENT_VERIFY=(.*)/m;
        is($verify, 'SUCCESS', "TLS $version: a chain of $n CAs is taken");
        my $sent = () = $r->{body} =~ /^SSL_CLIENT_CERT_CHAIN_\d+=/mg;
        cmp_ok($sent, '>=', $n == 90 ? 2 : $n, '... and shown');
        next if is_stock() && $version eq '1.3';    # which does not ask twice for a certificate
        $s = tls_connect(@who) or BAIL_OUT("$n: $tls_error");
        $r = http_get($s, '/shallow/', 'localhost');
        is($r ? $r->{status} : 'ended', $n <= 2 || $n == 90 ? 200 : 'ended', '... by a directory of depth 3, too, or not');
    }
}
ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
