# SSLSessionCache shmcb:file:/path(size): sessions made before a stop are resumed after the start, also with another size; the file is
# root's alone; what is damaged, foreign, open to others or in use is not used; it goes when it is not named any more.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(slurp spew);
ours_only('the stock module takes no file');

my $config = <<'CONF';
SSLSessionTickets off
SSLEngine on
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
CONF

sub cache { return "SSLSessionCache \"$_[0]\"\n$config" }

sub visit {
    my ($h, $session) = @_;
    my $s = tls_connect(port => $h->port, version => '1.2', $session ? (session => $session) : ()) or return "failed: $tls_error";
    my $r = http_get($s, '/', 'localhost', close => 1);
    return 'no answer' if !$r || $r->{status} != 200;
    return (resumed($s) ? 'resumed' : 'full', session($s));
}

my $h = ModSSL::Httpd->new(config => cache('shmcb:file:@root@/conf/sessions(100000)'));
my $file = $h->root . '/conf/sessions';
$h->start or die $h->why;
my (undef, $session) = visit($h);

my @stat = stat $file;
is(sprintf('%o', $stat[2] & 07777), '600', 'the file has mode 600');
is($stat[4], $>, '... belongs to who starts the server');
is($stat[7], 100000, '... has the size');
ok(!-e "$file.new", '... and is alone');

#   what is done                 cache from then on                              session resumed?
my @steps = (
    ['graceful',                 'shmcb:file:@root@/conf/sessions(100000)',      'resumed'],
    ['restart',                  'shmcb:file:@root@/conf/sessions(100000)',      'resumed'],
    ['stop',                     'shmcb:file:@root@/conf/sessions(100000)',      'resumed'],
    ['graceful',                 'shmcb:file:@root@/conf/sessions(3000000)',     'resumed'],
    ['stop',                     'shmcb:file:@root@/conf/sessions(3000000)',     'resumed'],
    ['stop',                     'shmcb:file:@root@/conf/sessions(50000)',       'resumed'],
    ['stop',                     'shmcb:file:conf/sessions',                     'resumed'],
);
for my $step (@steps) {
    my ($how, $cache, $expected) = @$step;
    $h->config(cache($cache));
    ok($h->$how && ($how ne 'stop' || $h->start), "$how, then $cache") or diag($h->why);
    is((visit($h, $session))[0], $expected, "... $expected");
}

subtest 'killed' => sub {
    my ($main, @all) = ($h->pid, $h->pids);
    kill 'KILL', $main, @all;
    for (1 .. 100) { last if !grep { kill 0, $_ } @all; select undef, undef, undef, 0.05 }
    $h->stop;
    unlink $h->root . '/run/httpd.pid';
    $h->start or return fail($h->why);
    is((visit($h, $session))[0], 'resumed', 'the whole server was killed: the session is resumed');
};

subtest 'a second server' => sub {
    my $other = ModSSL::Httpd->new(config => cache("shmcb:file:$file(524288)"));
    like($other->start_fails || 'started', qr/\Q$file\E: is in use by another server/, 'refuses, and says why');
    is((visit($h, $session))[0], 'resumed', 'the first goes on');
    my $twice = ModSSL::Httpd->new(config => cache('shmcb:file:@root@/conf/x(100000)'), name => 'twice');
    $twice->start or return fail($twice->why);
    ok($twice->stop, 'a file of its own is fine');
};

subtest 'what is not to be used' => sub {
    ok($h->stop, 'stop');
    my $good = slurp($file);
    #   what lies there                             expected
    my @bad = (
        ['others can read it',       sub { chmod 0644, $file },                        qr/mode 644/, 'full'],
        ['noise',                    sub { spew($file, join '', map { chr int rand 256 } 1 .. 524288) }, qr/no session cache/, 'full'],
        ['nothing',                  sub { spew($file, '') },                           undef, 'full'],
        ['cut off',                  sub { spew($file, substr($good, 0, 70000)) },      qr/no session cache/, 'full'],
        ['flipped bytes everywhere', sub { my $b = $good; substr($b, 200 + 97 * $_, 1) ^= "\x55" for 0 .. (length($b) - 201) / 97; spew($file, $b) },
                                                                                        undef, 'full'],
        ['a whole file',             sub { spew($file, $good) },                        undef, 'resumed'],
    );
    for my $case (@bad) {
        my ($what, $do, $log, $expected) = @$case;
        $do->();
        chmod 0600, $file if $what !~ /others/;
        $h->log_mark;
        $h->start or return fail("$what: " . $h->why);
        is((visit($h, $session))[0], $expected, "$what: $expected");
        ok($h->errorlog_like($log), '... and a line in the log') if $log;
        my (undef, $new) = visit($h);
        is((visit($h, $new))[0], 'resumed', '... new sessions are stored');
        is(sprintf('%o', (stat $file)[2] & 07777), '600', '... mode 600');
        $h->stop;
    }
    my @refused = (
        ['a link',        sub { rename $file, "$file.real"; symlink "$file.real", $file }, sub { unlink $file; rename "$file.real", $file },
            qr/cannot be opened/],
        ['two names',     sub { link $file, "$file.2" }, sub { unlink "$file.2" },  qr/a plain file, with one name/],
        ['a directory',   sub { rename $file, "$file.real"; mkdir $file }, sub { rmdir $file; rename "$file.real", $file },
            qr/cannot be opened|plain file/],
    );
    push @refused, ['of another user', sub { chown 65534, -1, $file }, sub { chown 0, -1, $file }, qr/belongs to the user who starts/]
        if !$>;
    for my $case (@refused) {
        my ($what, $do, $undo, $log) = @$case;
        $do->();
        like($h->start_fails || 'started', $log, "$what: refused");
        $undo->();
    }
};

subtest 'wiped' => sub {
    $h->start or return fail($h->why);
    (undef, $session) = visit($h);
    unlink $file;
    ok($h->graceful, 'the file is removed, then graceful');
    is((visit($h, $session))[0], 'full', '... the sessions are gone');
    ok(-e $file, '... there is a new file');
    (undef, $session) = visit($h);
    $h->config(cache('shmcb:(100000)'));
    ok($h->graceful, 'graceful: without a file');
    is((visit($h, $session))[0], 'resumed', '... sessions have moved');
    ok(!-e $file, '... and the file is removed');
    $h->config(cache('shmcb:file:@root@/conf/other(100000)'));
    ok($h->graceful, 'graceful: another file');
    is((visit($h, $session))[0], 'resumed', '... sessions have moved');
};

subtest 'mistakes' => sub {
    $h->stop;
    my @mistakes = (
        ['shmcb:file:',                       qr/needs the path of a file/],
        ['shmcb:file:(100000)',               qr/needs the path of a file/],
        ['shmcb:file:/nonexist/x(100000)',    qr{/nonexist/x.new: cannot be made}],
    );
    for my $case (@mistakes) {
        $h->config(cache($case->[0]));
        like($h->start_fails || 'started', $case->[1], $case->[0]);
    }
};
done_testing;
