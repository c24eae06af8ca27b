# The cache in shared memory: what mod_status shows of it; restarts keep it, also with another size; children that are killed,
# or stopped, do not hold up the others; sessions survive only as long as they should.
use strict;
use warnings;
use lib 't/lib';
use POSIX ();
use Test::More;
use ModSSL::Httpd qw(is_stock ours_only wait_for is_asan is_valgrind);
use ModSSL::Client qw(:all);
ours_only('the stock module goes through mod_socache_shmcb');

my $config = <<'CONF';
SSLSessionTickets off
SSLEngine on
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
<Location /server-status>
    SetHandler server-status
</Location>
CONF

sub server {
    my ($cache, %o) = @_;
    my $h = ModSSL::Httpd->new(%o, config => "SSLSessionCache \"$cache\"\n$config");
    $h->start or die $h->why;
    return $h;
}

sub visit {
    my ($h, $session, $path) = @_;
    my $s = tls_connect(port => $h->port, version => '1.2', $session ? (session => $session) : ()) or return "failed: $tls_error";
    my $r = http_get($s, $path || '/', 'localhost', close => 1);
    return 'no answer' if !$r || $r->{status} != 200;
    return (resumed($s) ? 'resumed' : 'full', session($s), $r->{body});
}

sub status {
    my ($h, $query) = @_;
    return (visit($h, undef, '/server-status' . ($query || '')))[2] || '';
}

subtest 'mod_status' => sub {
    my $h = server('shmcb:@root@/run/cache(100000)');
    my @sessions = map { (visit($h))[1] } 1 .. 10;
    visit($h, $_) for @sessions;
    my $text = status($h, '?auto');
    my %got = $text =~ /^(Cache\w+|TLS\w+): (.*)/mg;
    my %want = (
        CacheType             => qr/^SHMCB$/,
        CacheSharedMemory     => qr/^100000$/,
        CacheCurrentEntries   => qr/^11$/,
        CacheSubcaches        => qr/^3$/,
        CacheStoreCount       => qr/^11$/,
        CacheReplaceCount     => qr/^0$/,
        CacheExpireCount      => qr/^0$/,
        CacheDiscardCount     => qr/^0$/,
        CacheRetrieveHitCount => qr/^10$/,
        CacheRetrieveMissCount => qr/^0$/,
        CacheRemoveHitCount   => qr/^0$/,
        CacheRemoveMissCount  => qr/^0$/,
        CacheRepairCount      => qr/^0$/,
        CacheTimeLeftOldestMin => qr/^(?:29\d|2[0-8]\d)$/,
        CacheTimeLeftOldestMax => qr/^(?:29\d|2[0-8]\d)$/,
        CacheBytesUsed        => qr/^[1-9]\d{3}$/,
        CacheUsage            => qr/^\d%$/,
    );
    like($got{$_}, $want{$_}, "?auto: $_") for sort keys %want;
    my $html = status($h);
    like($html, qr{cache type: <b>SHMCB</b>, shared memory: <b>100000</b> bytes, current entries: <b>12</b>}, 'HTML: entries');
    like($html, qr{regions: <b>3</b>}, '... regions');
    like($html, qr{retrieves: <b>10</b> hit, <b>0</b> miss}, '... hits');
};

subtest 'restarts' => sub {
    my $h = server('shmcb:@root@/run/cache(100000)');
    my (undef, $session) = visit($h);
    #   what is done, and with which cache from then on
    my @steps = (
        ['graceful', 'shmcb:@root@/run/cache(100000)',  'the same'],
        ['restart',  'shmcb:@root@/run/cache(100000)',  'the same'],
        ['graceful', 'shmcb:@root@/run/other(100000)',  'another path'],
        ['graceful', 'shmcb:@root@/run/cache(9000000)', 'larger'],
        ['graceful', 'shmcb:@root@/run/cache(8192)',    'smaller'],
        ['restart',  'shmcb:',                          'the default size'],
    );
    for my $step (@steps) {
        my ($how, $cache, $what) = @$step;
        $h->config("SSLSessionCache \"$cache\"\n$config");
        ok($h->$how, "$how: $what");
        is((visit($h, $session))[0], 'resumed', '... the first session is resumed');
    }
    $h->config("SSLSessionCache none\n$config");
    ok($h->graceful, 'graceful: none');
    is((visit($h, $session))[0], 'full', '... nothing is resumed');
    ok($h->stop, 'stop');
    $h->config("SSLSessionCache shmcb:\n$config");
    $h->start or return fail($h->why);
    is((visit($h, $session))[0], 'full', 'a new server knows nothing of it');
};

# Clients all the while; children are killed at random moments.
subtest 'children that are killed' => sub {
    my $h = server('shmcb:(16000)', mpm => 'prefork');
    my $main = $h->pid;
    my @clients;
    my $stop = $h->root . '/stop';
    for my $n (1 .. 4) {
        my $pid = open my $from, '-|';
        defined $pid or die "fork: $!";
        if (!$pid) {
            my ($good, $last) = (0);
            while (!-e $stop) {
                my ($how, $session) = visit($h, $last);
                $good++ if $how eq 'resumed' || $how eq 'full';
                $last = $session if $how eq 'full';
            }
            print "$good\n";
            close STDOUT;
            POSIX::_exit(0);
        }
        push @clients, $from;
    }
    my $killed = 0;
    for my $round (1 .. (is_asan() || is_valgrind() ? 5 : 25)) {
        my @children = grep { $_ != $main } $h->pids;
        next if !@children;
        $killed += kill 'KILL', $children[$round % @children];
        select undef, undef, undef, 0.1;
    }
    open my $file, '>', $stop or die $!;
    close $file;
    my $good = 0;
    $good += <$_> || 0 for @clients;
    ok($killed > 3, "$killed children were killed");
    ok($good > 0, "... and $good requests were served meanwhile");
    my (undef, $session) = visit($h);
    is((visit($h, $session))[0], 'resumed', 'sessions are stored and found after it');
    ok($h->alive, 'the server lives');
};

subtest 'a full cache' => sub {
    my $h = server('shmcb:(8192)');
    my @sessions = map { (visit($h))[1] } 1 .. 60;
    is((visit($h, $sessions[-1]))[0], 'resumed', 'the last of 60 sessions is there');
    is((visit($h, $sessions[0]))[0], 'full', 'the first has made room');
    like(status($h, '?auto'), qr/^CacheDiscardCount: [1-9]/m, '... which is counted');
    is(join("\n", grep { /\[ssl:(?:warn|error)\]/ && !/chain of the server certificate/ } split /\n/, $h->errorlog), '', 'that is nothing to log');
};
done_testing;
