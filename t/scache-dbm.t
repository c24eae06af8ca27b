# The DBM cache: files of the children's user alone; damaged, cut off, removed or not writable, the server goes on with full
# handshakes, says so once, and resumes again as soon as it can. What has expired goes away without anybody's asking.
use strict;
use warnings;
use lib 't/lib';
use POSIX ();
use Test::More;
use ModSSL::Httpd qw(ours_only wait_for is_asan is_valgrind);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert slurp spew);
ours_only('the stock module goes through mod_socache_dbm');

sub server {
    my ($cache, $more, %o) = @_;
    my $h = ModSSL::Httpd->new(%o, config => <<"CONF" . ($more || ''));
SSLSessionCache $cache
SSLSessionTickets off
SSLEngine on
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
<Location /server-status>
    SetHandler server-status
</Location>
CONF
    return $h;
}

sub visit {
    my ($h, $session, $path) = @_;
    my $s = tls_connect(port => $h->port, version => '1.2', $session ? (session => $session) : ()) or return "failed: $tls_error";
    my $r = http_get($s, $path || '/', 'localhost', close => 1);
    return 'no answer' if !$r || $r->{status} != 200;
    return (resumed($s) ? 'resumed' : 'full', session($s), $r->{body});
}

sub figure {
    my ($h, $name) = @_;
    my ($how, undef, $body) = visit($h, undef, '/server-status?auto');
    return ($body || '') =~ /^$name: (\d+)/m ? $1 : "no $name";
}

sub works_again {
    my ($h) = @_;
    my (undef, $session) = visit($h);
    return (visit($h, $session))[0];
}

my %files = (sdbm => ['cache.dir', 'cache.pag'], gdbm => ['cache'], db => ['cache']);
for my $type (sort keys %files) {
    subtest $type => sub {
        my $h = server("dbm/$type:\@root\@/run/cache");
        my @files = map { $h->root . "/run/$_" } @{ $files{$type} };
        $h->start or return fail($h->why);
        for my $file (@files) {
            my @stat = stat $file;
            is(sprintf('%04o', $stat[2] & 07777), '0600', "$file: mode");
            is($stat[4], $> == 0 ? scalar getpwnam('www-data') : $>, '... owner');
        }
        is(works_again($h), 'resumed', 'a session is resumed');

        my $data = $files[-1];
        #   what is done to the file while the server runs
        my @deeds = (
            ['overwritten with rubbish',  sub { spew($data, join '', map { chr(($_ * 37 + ($_ >> 5) * 11) % 256) } 1 .. 20000) }],
            ['truncated to nothing',      sub { truncate $data, 0 }],
            ['cut off in the middle',     sub { truncate $data, 700 }],
            ['removed',                   sub { unlink @files }],
        );
        for my $deed (@deeds) {
            my ($what, $do) = @$deed;
            my (undef, $session) = visit($h);
            $h->log_mark;
            $do->();
            is((visit($h, $session))[0], 'full', "$what: a full handshake");
            is(works_again($h), 'resumed', '... and the next sessions are resumed');
            my @said = grep { /\[ssl:warn\].*dbm:/ } split /\n/, $h->errorlog;
            is(scalar(@said), 1, '... one message') or diag join "\n", @said;
            ok(-e "$data.bad", '... the old file is set aside') if $what !~ /removed/;
            unlink "$data.bad";
        }
        is((stat $data)[2] & 07777, 0600, 'mode of the new file');
        ok($h->graceful, 'graceful restart');
        is(works_again($h), 'resumed', '... works');
        ok($h->stop, 'the server stops');
        ok(!(grep { -e } @files), '... and no session stays on the disk');
    };
}

subtest 'damaged at start' => sub {
    my $h = server('dbm:@root@/run/cache');
    spew($h->root . '/run/cache.pag', 'x' x 5000);
    chmod 0666, $h->root . '/run/cache.pag';
    $h->start or return fail($h->why);
    is(works_again($h), 'resumed', 'works');
    ok(-e $h->root . '/run/cache.pag.bad', 'what was there is set aside');
    is((stat($h->root . '/run/cache.pag'))[2] & 07777, 0600, 'mode');
};

subtest 'left behind by a server that was killed' => sub {
    my $h = server('dbm:@root@/run/cache');
    $h->start or return fail($h->why);
    my (undef, $session) = visit($h);
    my @pids = $h->pids;
    kill 'KILL', @pids;
    wait_for(10, sub { !grep { kill 0, $_ } @pids });
    $h->stop;
    $h->start or return fail($h->why);
    is((visit($h, $session))[0], 'resumed', 'its sessions are resumed');
};

subtest 'no directory' => sub {
    my $h = server('dbm:/nonexist/cache');
    my $why = $h->start_fails;
    like($why, qr{AH00804.*/nonexist/cache}, 'does not start, and says why');
};

# More than one page of SDBM: a session with a chain of client certificates.
subtest 'large sessions' => sub {
    my $h = server('dbm:@root@/run/cache', "SSLVerifyClient optional\nSSLCACertificateFile \@pki\@/ca.crt\n");
    $h->start or return fail($h->why);
    my $cert = make_cert(dir => $h->root, name => 'big', type => 'client', san => [map { "DNS:name-number-$_.test" } 1 .. 60]);
    my $s = tls_connect(port => $h->port, version => '1.2', cert => $cert, key => $h->root . '/big.key') or return fail($tls_error);
    http_get($s, '/', 'localhost', close => 1);
    my $session = session($s);
    my $size = figure($h, 'CacheCurrentSize');
    cmp_ok($size, '>', 2000, "more than SDBM stores in one record ($size bytes)");
    is((visit($h, $session))[0], 'resumed', 'resumed');
};

subtest 'expiry' => sub {
    my $h = server('dbm:@root@/run/cache', "SSLSessionCacheTimeout 2\n");
    $h->start or return fail($h->why);
    visit($h) for 1 .. 20;
    # on a slow machine the first of them have gone already
    cmp_ok(figure($h, 'CacheCurrentEntries') + figure($h, 'CacheExpireCount'), '>=', 20, '20 sessions are there');
    sleep 4;
    visit($h) for 1 .. 10;
    my $left = figure($h, 'CacheCurrentEntries');
    cmp_ok($left, '<=', 12, "10 more visits cleared those that have expired ($left left)");
    cmp_ok(figure($h, 'CacheExpireCount'), '>=', 20, '... and they are counted');
};

subtest 'nothing can be written' => sub {
    my $h = server('dbm:@root@/run/cache');
    $h->start or return fail($h->why);
    # the kernel refuses to write beyond this size, as it would on a full disk
    system('prlimit', '--pid', $_, '--fsize=40000:') for $h->pids;
    my %how;
    $how{ (visit($h))[0] }++ for 1 .. 300;
    is_deeply(\%how, { full => 300 }, '300 clients are served');
    my @said = grep { /\[ssl:warn\].*dbm:/ } split /\n/, $h->errorlog;
    cmp_ok(scalar(@said), '>=', 1, 'the log says so');
    cmp_ok(scalar(@said), '<=', 3, '... and does not repeat it') or diag join "\n", @said;
    cmp_ok(figure($h, 'CacheFailureCount'), '>', 3, '... though it went on');
    system('prlimit', '--pid', $_, '--fsize=unlimited:') for $h->pids;
    is(works_again($h), 'resumed', 'there is room again: sessions are resumed');
};

# A child that is killed while it may be writing; many clients at the same time; restarts in between.
subtest 'under load' => sub {
    my $h = server('dbm:@root@/run/cache');
    $h->start or return fail($h->why);
    my $count = is_asan() || is_valgrind() ? 40 : 150;
    my @clients;
    for my $n (1 .. 4) {
        my $pid = open my $from, '-|';
        defined $pid or die "fork: $!";
        if (!$pid) {
            my ($good, $resumed, $session) = (0, 0);
            for (1 .. $count) {
                my ($how, $new) = visit($h, $session);
                $good++ if $how =~ /^(?:full|resumed)$/;
                $resumed++ if $how eq 'resumed';
                $session = $new if $how eq 'full';
            }
            print "$good $resumed\n";
            close STDOUT;
            POSIX::_exit(0);
        }
        push @clients, $from;
    }
    $h->graceful for 1 .. 3;
    my ($good, $resumed) = (0, 0);
    for my $from (@clients) {
        my ($g, $r) = split ' ', <$from> || '0 0';
        $good += $g;
        $resumed += $r;
    }
    is($good, 4 * $count, 'every client is served');
    cmp_ok($resumed, '>=', 4 * $count - 40, "$resumed of them resumed");
    is(join("\n", grep { /\[ssl:(?:warn|error)\].*dbm:/ } split /\n/, $h->errorlog), '', 'nothing was damaged');
};
# Whether one of them dies in the middle of a change is a matter of luck: then the file is set aside.
subtest 'children that are killed' => sub {
    my $h = server('dbm:@root@/run/cache', "Mutex pthread ssl-cache\n", mpm => 'prefork');
    $h->start or return fail($h->why);
    my $main = $h->pid;
    my $stop = $h->root . '/stop';
    my @clients;
    for my $n (1 .. 4) {
        my $pid = fork;
        defined $pid or die "fork: $!";
        if (!$pid) {
            my $end = time + 60;
            visit($h) while !-e $stop && time < $end;
            POSIX::_exit(0);
        }
        push @clients, $pid;
    }
    my $killed = 0;
    for my $round (1 .. 15) {
        my @children = grep { $_ != $main } $h->pids;
        $killed += kill 'KILL', $children[$round % @children] if @children;
        select undef, undef, undef, 0.2;
    }
    spew($stop, '');
    waitpid $_, 0 for @clients;
    cmp_ok($killed, '>', 3, "$killed children were killed");
    is(works_again($h), 'resumed', 'sessions are stored and found after it');
    ok($h->alive, 'the server lives');
    note "files set aside: " . figure($h, 'CacheSetAsideCount');
};
done_testing;
