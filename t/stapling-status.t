# What is known of each certificate's OCSP answer is among the figures: SetHandler ssl-metrics, mod_status and its ?auto.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple_comes stapling_host);
use File::Temp ();

ours_only('the stock module has no such figures');

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;
for (['good', 'good?this=-100'], ['revoked', 'revoked'], ['late', 'try-later']) {
    my ($name, $mode) = @$_;
    make_cert(name => $name, dir => "$dir", san => ["DNS:$name.test"], key => 'ec', ext => ['authorityInfoAccess=OCSP;URI:' . $r->url($mode)]);
    spew("$dir/$name.crt", slurp("$dir/$name.crt"), slurp(pki_dir() . '/ca.crt'));
}
my $h = ModSSL::Httpd->new(modules => ['status'], config => join '', "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\n",
    map({ stapling_host("$_.test", "$dir/$_") } qw(good revoked late)), <<'END');
<Location /metrics>
    SetHandler ssl-metrics
</Location>
<Location /status>
    SetHandler server-status
</Location>
END
$h->start or BAIL_OUT($h->why);
sub page {
    my $s = tls_connect(port => $h->port, sni => 'good.test') or BAIL_OUT($tls_error);
    return http_get($s, $_[0], 'good.test', close => 1)->{body};
}
sub figure { my ($text, $name, $cert) = @_; return $text =~ /^\Q$name\E\{certificate="[^"]*\/$cert\.crt[^"]*"\} (-?\d+)$/m ? $1 : undef }

is(staple_comes($h, 'good', sni => 'good.test'), 'good', 'one is good');
is(staple_comes($h, 'revoked', sni => 'revoked.test'), 'revoked', 'one is revoked');
my $text;
ok(wait_for(40, sub { $text = page('/metrics'); (figure($text, 'ssl_stapling_failures', 'late') // 0) > 0 }), 'one fails') or diag $text;

# certificate => state, attempts that failed
for (['good', 1, 0], ['revoked', 2, 0], ['late', 0, undef]) {
    my ($cert, $state, $failures) = @$_;
    is(figure($text, 'ssl_stapling_state', $cert), $state, "$cert: state");
    is(figure($text, 'ssl_stapling_failures', $cert), $failures, "$cert: failures") if defined $failures;
    ok(defined figure($text, $_, $cert), "$cert: $_") for qw(ssl_stapling_answer_age_seconds ssl_stapling_answer_expires_seconds ssl_stapling_next_fetch_seconds);
}
cmp_ok(figure($text, 'ssl_stapling_answer_age_seconds', 'good'), '>=', 100, 'good: age since thisUpdate');
cmp_ok(figure($text, 'ssl_stapling_next_fetch_seconds', 'good'), '>', 60, 'good: asked again later');
like($text, qr/^ssl_stapling_last_error_info\{certificate="[^"]*late\.crt[^"]*",error="[^"]*tryLater[^"]*"\} 1$/m, 'late: the last error');
my $errors = () = $text =~ /^ssl_stapling_last_error_info\{/mg;
is($errors, 1, 'nobody else has one');
like(page('/status?auto'), qr/^TLSStaplingState\..*good\.crt.*: 1$/m, '?auto');
like(page('/status'), qr/tryLater/, 'HTML');
done_testing;
