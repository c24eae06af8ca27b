# mod_md CVE-2025-55753: the time between attempts, doubled with each failure, overflowed to 0, and the server asked without
# pause. A responder that always fails is asked ever less often; t/unit/test_staple.c has the sums up to 4294967295 failures.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple stapling_host);
use File::Temp ();

BEGIN { ours_only('the stock module asks within handshakes') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;
make_cert(name => 'never', dir => "$dir", san => ['DNS:never.test'], key => 'ec', ext => ['authorityInfoAccess=OCSP;URI:' . $r->url('http-500')]);
spew("$dir/never.crt", slurp("$dir/never.crt"), slurp(pki_dir() . '/ca.crt'));
my $h = ModSSL::Httpd->new(config => "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\n" . stapling_host('never.test', "$dir/never", <<'END') . <<'END2');
SSLStaplingErrorCacheTimeout 2
END
<Location /metrics>
    SetHandler ssl-metrics
</Location>
END2
$h->start or BAIL_OUT($h->why);
sub figure {
    my $s = tls_connect(port => $h->port, sni => 'never.test') or BAIL_OUT($tls_error);
    my ($n) = http_get($s, '/metrics', 'never.test', close => 1)->{body} =~ /^$_[0]\{[^}]*\} (-?\d+)$/m;
    return $n;
}
ok(wait_for(40, sub { (figure('ssl_stapling_failures') // 0) >= 4 }), 'it was asked four times');
my $failures = figure('ssl_stapling_failures');
# a pause of nothing would have made thousands
cmp_ok($failures, '<', 60, 'not without pause');
is(staple($h, sni => 'never.test'), 'none', 'handshakes go on without');
done_testing;
