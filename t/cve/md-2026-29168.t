# mod_md CVE-2026-29168: as much OCSP data as a responder sent was taken into memory. Responders that send without end, or far
# too much, for stapling and for client certificates: the answer is given up, and memory stays as it was.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple stapling_host);
use File::Temp ();

BEGIN { ours_only('the stock module reads on for as long as something comes') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;
my @MODES = ('endless', 'huge', 'long-header');
for my $mode (@MODES) {
    make_cert(name => $mode, dir => "$dir", san => ["DNS:$mode.test"], key => 'ec', ext => ['authorityInfoAccess=OCSP;URI:' . $r->url($mode)]);
    spew("$dir/$mode.crt", slurp("$dir/$mode.crt"), slurp(pki_dir() . '/ca.crt'));
}
my $h = ModSSL::Httpd->new(config => join '', "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\n",
    map { my $mode = $_; stapling_host("$mode.test", "$dir/$mode", <<"END") } @MODES);
SSLStaplingResponderTimeout 3
SSLOCSPEnable on
SSLOCSPDefaultResponder @{[$r->url($mode)]}
SSLOCSPOverrideResponder on
SSLOCSPResponderTimeout 3
SSLVerifyClient optional
SSLCACertificateFile \@pki\@/ca.crt
END
$h->start or BAIL_OUT($h->why);

sub largest { return (sort { $b <=> $a } map { (slurp("/proc/$_/status") =~ /^VmHWM:\s+(\d+)/m)[0] // 0 } $h->pids)[0] }
my $before = largest();
for my $mode (@MODES) {
    ok(wait_for(60, sub { $h->errorlog =~ /\Q$mode\E.*(?:sends more than|too long|did not answer|usable)/ }), "$mode: given up, and said");
    is(staple($h, sni => "$mode.test"), 'none', "$mode: nothing is stapled");
    for my $version ('1.2', '1.3') {
        my $s = tls_connect(port => $h->port, sni => "$mode.test", version => $version, client => 'client');
        my $got = $s && http_get($s, '/', "$mode.test");
        ok(!$got, "$mode: TLS $version: the client is not let in");
    }
}
cmp_ok(largest() - $before, '<', 20_000, 'kB more than before, at most') if !ModSSL::Httpd::is_asan();
ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
