# SSLStaplingProxyURL: responders are asked by way of an HTTP proxy, by their whole URL; what the environment says of proxies
# does not count.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);
use File::Temp ();

BEGIN { ours_only('the directive is new') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;    # takes whole URLs, as a proxy does; nobody resolves the names below
my %URL = (by => 'http://responder.invalid:99/good', dead => 'http://responder.invalid/good', direct => $r->url('good'));
for my $name (keys %URL) {
    make_cert(name => $name, dir => "$dir", san => ["DNS:$name.test"], key => 'ec', ext => ["authorityInfoAccess=OCSP;URI:$URL{$name}"]);
    spew("$dir/$name.crt", slurp("$dir/$name.crt"), slurp(pki_dir() . '/ca.crt'));
}
my $h = ModSSL::Httpd->new(env => { http_proxy => 'http://127.0.0.1:1/' }, config => "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\n"
    . stapling_host('by.test', "$dir/by", 'SSLStaplingProxyURL ' . $r->url(''))
    . stapling_host('dead.test', "$dir/dead", 'SSLStaplingProxyURL http://127.0.0.1:1/')
    . stapling_host('direct.test', "$dir/direct"));
$h->start or BAIL_OUT($h->why);
is(staple_comes($h, 'good', sni => 'by.test'), 'good', 'by way of a proxy');
is(staple_comes($h, 'good', sni => 'direct.test'), 'good', 'directly');
ok($h->errorlog_like(qr/dead\.crt.*by way of proxy http:\/\/127\.0\.0\.1:1\/ cannot be reached/, wait => 15), 'a dead proxy is named');
is(staple($h, sni => 'dead.test'), 'none', '... and nothing stapled');
done_testing;
