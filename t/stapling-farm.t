# SSLStaplingCache is what the servers of a farm share: what one has fetched another finds there, and judges anew; it asks itself
# only if that is nothing.
use strict;
use warnings;
use Test::More;
use File::Path qw(make_path);
use File::Temp ();
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);

BEGIN { ours_only('the stock module has another form of storing answers') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
make_path("$dir/cache");
chmod 0777, "$dir/cache";
my $r = ModSSL::Responder->new;
make_cert(name => 'a', dir => "$dir", key => 'ec', san => ['DNS:a.test'], ext => ['authorityInfoAccess=OCSP;URI:' . $r->url('good')]);
spew("$dir/a.crt", slurp("$dir/a.crt"), slurp(pki_dir() . '/ca.crt'));

sub server {
    my ($lines) = @_;
    my $h = ModSSL::Httpd->new(config => "SSLStaplingCache dbm:$dir/cache/answers\n" . stapling_host('a.test', "$dir/a", $lines));
    $h->start or BAIL_OUT($h->why);
    return $h;
}

my $one = server('');
is(staple_comes($one, 'good'), 'good', 'one server asks');
is(scalar(my @a = $r->requests), 1, 'once');
my $two = server('');
is(staple_comes($two, 'good'), 'good', 'another staples');
is(scalar(my @b = $r->requests), 0, 'and asked nobody');

# (what stops takes its dbm file along)
my $three = server('SSLStaplingResponseMaxAge 1');
ok($three->errorlog_like(qr/what SSLStaplingCache holds is not used/, wait => 10), 'too old for a third: it says so');
wait_for(10, sub { @a = $r->requests; @a > 0 });
cmp_ok(scalar @a, '>', 0, 'and asks itself');
$_->stop for $three, $two, $one;
done_testing;
