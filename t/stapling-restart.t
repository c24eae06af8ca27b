# SSLStaplingStore, and what restarts do to answers: a graceful one keeps them, also for certificates that stay when others
# come and go; after a stop, a start staples from the first handshake what is on disk, if it is still right.
use strict;
use warnings;
use Test::More;
use File::Temp ();
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for free_ports);
use ModSSL::PKI qw(pki_dir slurp spew make_cert openssl);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);

BEGIN { ours_only('the stock module keeps no answers') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my ($port) = free_ports(1);
for my $name (qw(a b c gone)) {
    make_cert(name => $name, dir => "$dir", key => 'ec', san => ["DNS:$name.test"],
              ext => ["authorityInfoAccess=OCSP;URI:http://127.0.0.1:$port/" . ($name eq 'gone' ? 'revoked' : 'good')]);
    spew("$dir/$name.crt", slurp("$dir/$name.crt"), slurp(pki_dir() . '/ca.crt'));
}
sub key_of {
    my ($hex) = openssl('x509', '-in', "$dir/$_[0].crt", '-noout', '-fingerprint', '-sha256') =~ /=([\dA-F:]+)/;
    return lc $hex =~ tr/://dr;
}
sub hosts { return join '', map { stapling_host("$_.test", "$dir/$_") } @_ }
my $GLOBAL = "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\nSSLStaplingErrorCacheTimeout 1\n";
my $STORE  = "SSLStaplingStore \@root\@/run/answers\n";

# --- graceful ------------------------------------------------------------------------------------

my $r = ModSSL::Responder->new(port => $port);
my $h = ModSSL::Httpd->new(config => $GLOBAL . hosts('a', 'gone'));
$h->start or BAIL_OUT($h->why);
is(staple_comes($h, 'good', sni => 'a.test'), 'good', 'a: good');
is(staple_comes($h, 'revoked', sni => 'gone.test'), 'revoked', 'gone: revoked');
$r->stop;    # nobody answers from here on
for (1 .. 3) {
    ok($h->graceful, "graceful restart $_");
    is(staple($h, sni => 'a.test'), 'good', 'good at once');
}
for (['more certificates', [qw(b a gone c)]], ['fewer', [qw(a b)]], ['other ones', [qw(c a)]]) {
    my ($what, $names) = @$_;
    $h->config($GLOBAL . hosts(@$names));
    ok($h->graceful, "graceful restart with $what");
    is(staple($h, sni => 'a.test'), 'good', 'a: its answer has moved');
    is(staple($h, sni => 'c.test'), 'none', 'c: no other certificate got it') if grep { $_ eq 'c' } @$names;
}
ok($h->restart, 'restart');
is(staple($h, sni => 'a.test'), 'good', 'a restart keeps answers, too');
ok($h->stop && $h->start, 'stop and start');
is(staple($h, sni => 'a.test'), 'none', 'without SSLStaplingStore nothing is left');
$h->stop;

# --- SSLStaplingStore ------------------------------------------------------------------------------

$r = ModSSL::Responder->new(port => $port);
$h = ModSSL::Httpd->new(config => $GLOBAL . $STORE . hosts('a', 'gone', 'b'));
$h->start or BAIL_OUT($h->why);
my %is = (a => 'good', gone => 'revoked', b => 'good');
is(staple_comes($h, $is{$_}, sni => "$_.test"), $is{$_}, "$_: $is{$_}") for sort keys %is;
my $store = $h->root . '/run/answers';
ok(wait_for(5, sub { !grep { !-s "$store/" . key_of($_) } keys %is }), 'a file for each certificate, named by its SHA-256');
is(sprintf('%o', (stat $store)[2] & 07777), '700', 'the directory is for the server alone');
is(sprintf('%o', (stat "$store/" . key_of('a'))[2] & 07777), '600', 'so is a file');
like(openssl('ocsp', '-respin', "$store/" . key_of('gone'), '-noverify', '-text'), qr/Cert Status: revoked/, 'its content is the answer');
$h->stop;
$r->stop;

ok($h->start, 'start without a responder');
is(staple($h, sni => "$_.test"), $is{$_}, "$_: stapled in the first handshake") for sort keys %is;
like($h->errorlog, qr/REVOKED: .*gone\.crt/, 'what is revoked is shouted about');
$h->stop;

# [what is in the file of a, what is stapled for a, what the log says]
my $good = slurp("$store/" . key_of('a'));
my @FILES = (
    ['of another certificate', slurp("$store/" . key_of('b')), 'none', qr/what SSLStaplingStore holds is not used: .*another certificate/],
    ['cut short',    substr($good, 0, 200), 'none', qr/what SSLStaplingStore holds is not used/],
    ['damaged',      substr($good, 0, 150) . 'xxxx' . substr($good, 154), 'none', qr/what SSLStaplingStore holds is not used/],
    ['no DER',       'nonsense', 'none', qr/what SSLStaplingStore holds is not used/],
    ['much too large', 'x' x 1_000_000, 'none', qr/what SSLStaplingStore holds is not used/],
    ['empty',        '', 'none', undef],
    ['an answer that is no answer', "\x30\x03\x0a\x01\x03", 'none', qr/what SSLStaplingStore holds is not used: .*tryLater/],
    ['as it was',    $good, 'good', undef],
);
for (@FILES) {
    my ($what, $content, $wanted, $log) = @$_;
    spew("$store/" . key_of('a'), $content);
    $h->log_mark;
    ok($h->start, "$what: starts");
    is(staple($h, sni => 'a.test'), $wanted, "$what: $wanted");
    is(staple($h, sni => 'b.test'), 'good', "$what: others are served");
    my $said = $h->errorlog;
    like($said, $log, "$what: log") if $log;
    $h->stop;
}
for (['a link', sub { my $f = "$store/" . key_of('a'); unlink $f; symlink "$store/" . key_of('b'), $f }],
     ['a FIFO', sub { my $f = "$store/" . key_of('a'); unlink $f; POSIX::mkfifo($f, 0666) }]) {
    my ($what, $do) = @$_;
    $do->();
    ok($h->start, "$what: starts");
    is(staple($h, sni => 'a.test'), 'none', "$what: is not read");
    $h->stop;
}
unlink "$store/" . key_of('a');

# An answer on disk that has expired; and one that this configuration holds to be too old.
{
    my $short = ModSSL::Responder->new(port => $port);
    my $answer = sub {
        my ($mode) = @_;
        openssl('ocsp', '-issuer', pki_dir() . '/ca.crt', '-cert', "$dir/a.crt", '-no_nonce', '-url', $short->url($mode), '-noverify', '-respout', "$dir/answer");
        return slurp("$dir/answer");
    };
    my @old = (['expired', $answer->('expired')], ['too old for SSLStaplingResponseMaxAge', $answer->('good?this=-7200'), "SSLStaplingResponseMaxAge 3600\n"]);
    $short->stop;
    for (@old) {
        my ($what, $content, $lines) = @$_;
        spew("$store/" . key_of('a'), $content);
        $h->config($GLOBAL . $STORE . ($lines || '') . hosts('a', 'b'));
        ok($h->start, "$what: starts");
        is(staple($h, sni => 'a.test'), 'none', "$what: not stapled");
        $h->stop;
    }
}

# A directory that the children may not write to.
SKIP: {
    skip 'only as root can there be one', 3 if $> != 0;
    my $h = ModSSL::Httpd->new(config => $GLOBAL . "SSLStaplingStore \@root\@/closed\n" . hosts('a'));
    mkdir $h->root . '/closed', 0755;
    ok($h->start, 'a directory of root: starts');
    like($h->errorlog, qr/SSLStaplingStore '\S+closed' cannot be used/, 'and says so');
    my $nowhere = ModSSL::Httpd->new(config => $GLOBAL . "SSLStaplingStore \@root\@/no/such/place\n" . hosts('a'));
    $nowhere->start;
    like($nowhere->errorlog, qr/SSLStaplingStore '\S+' cannot be used.*no'/, 'one that cannot be made: says so');
}
done_testing;
