# A responder that does not answer: handshakes go on as if there was no stapling, other certificates get their answers, and the
# server ends at once.
use strict;
use warnings;
use Test::More;
use IO::Select;
use IO::Socket::INET;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for free_ports);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);
use File::Temp ();

BEGIN { ours_only('the stock module asks the responder in the handshake') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;
for my $name ('alive', map { "dead$_" } 1 .. 8) {
    make_cert(name => $name, dir => "$dir", key => 'ec', san => ["DNS:$name.test"]);
    spew("$dir/$name.crt", slurp("$dir/$name.crt"), slurp(pki_dir() . '/ca.crt'));
}

# Connects as soon as asked, and says nothing: the kernel takes connections that nobody accepts.
my @silent = map { IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', LocalPort => 0) or die $! } 1 .. 4;
my ($closed) = free_ports(1);
my @urls = ((map { my $port = $_->sockport; ("http://127.0.0.1:$port/", "http://127.0.0.1:$port/other") } @silent[0 .. 2]),
            "http://127.0.0.1:$closed/", $r->url('never'));

my $h = ModSSL::Httpd->new(config => "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\nSSLStaplingResponderTimeout 200\n"
    . join '', stapling_host('alive.test', "$dir/alive", 'SSLStaplingForceURL ' . $r->url('good')),
               map { stapling_host("dead$_.test", "$dir/dead$_", "SSLStaplingForceURL $urls[$_ - 1]") } 1 .. 8);
$h->start or BAIL_OUT($h->why);

# Somebody is being asked right now, and holds the line.
my $silent = IO::Select->new(@silent);
my @held = map { scalar $_->accept } wait_for(20, sub { $silent->can_read(0) }) ? $silent->can_read(0) : ();
cmp_ok(scalar @held, '>=', 1, 'the server waits for a responder');

my $done = 0;
for my $n (1 .. 50) {
    my $name = 'dead' . (1 + $n % 8) . '.test';
    my $s = tls_connect(port => $h->port, sni => $name) or next;
    my $answer = http_get($s, '/', $name);
    $done++ if $answer && $answer->{status} == 200;
    $s->close;
}
is($done, 50, '50 requests are served meanwhile');
is(staple($h, sni => "dead$_.test"), 'none', "dead$_: no answer, no error") for 1, 7;
ok((!grep { !$_->connected } @held), 'and it still waits');

# How long it takes to stop is bounded by GracefulShutdownTimeout, not by the responder.
ok($h->graceful, 'graceful restart');
unlike($h->errorlog, qr/Segmentation|exit signal/, 'no child has crashed');
ok($h->stop, 'ends by itself');
unlike($h->errorlog, qr/SIGKILL/, 'no child had to be killed');

# --- IPs that lead nowhere, a few responders dead, one alive: the living one has its turn ------------------------

{
    my $h = ModSSL::Httpd->new(config => "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\nSSLStaplingResponderTimeout 2\n"
        . join '', (map { stapling_host("dead$_.test", "$dir/dead$_", "SSLStaplingForceURL $urls[$_ - 1]") } 1 .. 7),
                   stapling_host('alive.test', "$dir/alive", 'SSLStaplingForceURL ' . $r->url('good')));
    $h->start or BAIL_OUT($h->why);
    is(staple_comes($h, 'good', sni => 'alive.test'), 'good', 'three dead responders do not keep a living one from being asked');
    # It waits its turn, too: four questions at once, and those of the dead take 2 s each.
    ok($h->errorlog_like(qr/dead7\.crt.*cannot be reached/, wait => 30), 'a closed port is said to be one');
    $h->stop;
}

# Dead at first, then alive; then dead again: what it said stays.
{
    my ($port) = free_ports(1);
    my $h = ModSSL::Httpd->new(config => "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\nSSLStaplingErrorCacheTimeout 1\n"
        . "SSLStaplingStandardCacheTimeout 1\n" . stapling_host('alive.test', "$dir/alive", "SSLStaplingForceURL http://127.0.0.1:$port/good"));
    $h->start or BAIL_OUT($h->why);
    ok($h->errorlog_like(qr/alive\.crt.*attempt 1.*nothing is stapled/, wait => 20), 'dead: a failure');
    is(staple($h), 'none', 'dead: nothing');
    my $late = ModSSL::Responder->new(port => $port);
    is(staple_comes($h, 'good'), 'good', 'it comes to life: good');
    $late->stop;
    ok($h->errorlog_like(qr/alive\.crt.*attempt \d+.*the last answer is stapled/, wait => 20), 'dead again: a failure');
    is(staple($h), 'good', 'dead again: what it said stays');
}
done_testing;
