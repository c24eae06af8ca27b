# SSLSessionTicketKeySharing: two servers seal tickets with the same keys, which rotate, by way of memcached or redis; the
# store may be lost, emptied or written to by others.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::INET;
use ModSSL::Httpd qw(ours_only have_module free_ports wait_for);
use ModSSL::PKI qw(spew);
use ModSSL::Store qw(start_store stop_store);
use ModSSL::Ticket qw(visit key_file);
use File::Temp ();
ours_only('stock shares no keys');

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
key_file("$dir/secret", 32);

# --- the directive --------------------------------------------------------------------------------

sub config_with {
    my ($lines) = @_;
    return <<"END";
SSLSessionTicketKeyRotation 10
$lines
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
<VirtualHost *:\@port:https\@>
    ServerName www.test:443
    SSLEngine on
</VirtualHost>
END
}

sub server { my ($lines, @more) = @_; return ModSSL::Httpd->new(config => config_with($lines), @more) }

key_file("$dir/short", 31);
key_file("$dir/open", 32, 0644);
my @WRONG = (
    ["SSLSessionTicketKeySharing shmcb:",                         qr/SSLSessionTicketKeySharing takes two arguments/],
    ["SSLSessionTicketKeySharing shmcb: $dir/missing",            qr/the file of the sealing key, '\S+missing'/],
    ["SSLSessionTicketKeySharing nothing: $dir/secret",           qr/there is no cache named 'nothing'/],
    ["SSLSessionTicketKeySharing shmcb: $dir/short",              qr/'\S+short' must hold at least 32 random bytes/],
    ["SSLSessionTicketKeySharing shmcb: $dir/open",               qr/'\S+open', can be read or written by others: chmod 600/],
    ["SSLSessionTicketKeySharing shmcb: $dir/secret\nSSLSessionTicketKeyRotation off", qr/SSLSessionTicketKeyRotation must not be off/],
    ["SSLSessionTicketKeySharing shmcb: $dir/secret\nSSLSessionTicketKeyRotation 9",   qr/nor less than 10 seconds/],
);
for (@WRONG) {
    my ($lines, $message) = @$_;
    like(server($lines)->start_fails || 'it starts', $message, (split /\n/, "refused: $lines")[-1]);
}

# The caches of one machine are of little use for it, but are taken.
for my $cache ('shmcb:', 'dbm:@root@/run/tickets') {
    my $h = server("SSLSessionTicketKeySharing $cache $dir/secret");
    $h->start or BAIL_OUT($h->why);
    ok($h->errorlog_like(qr/SSLSessionTicketKeySharing: a key for the 10 seconds/, wait => 40), "$cache is taken");
    my $seen = visit($h);
    ok($h->graceful, '... graceful');
    is(visit($h, session => $seen->{session})->{how}, 'resumed', '... and keeps the keys');
}

# --- stores -----------------------------------------------------------------------------------------

# One command of a store's own protocol; what came back.
sub ask {
    my ($port, $command, $until) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or return '';
    my $answer = '';
    print {$s} $command;
    local $SIG{ALRM} = sub { die };
    alarm 30;
    eval { while (sysread $s, $answer, 65536, length $answer) { last if $answer =~ $until } };
    alarm 0;
    return $answer;
}

sub redis { my ($port, @words) = @_; return ask($port, join('', '*', scalar @words, "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words), qr/\r\n\z/) }

# A value that all records of redis are overwritten with.
sub overwrite_redis {
    my ($port) = @_;
    my @ids = redis($port, 'KEYS', '*') =~ /\$\d+\r\n([^\r]+)\r\n/g;
    redis($port, 'SET', $_, 'x' x 148) for @ids;
    return scalar @ids;
}

# Whether both servers seal with the same key, which is none of @NOT.
sub agree {
    my ($first, $second, @not) = @_;
    my $key = visit($first)->{key} or return;
    return if grep { $_ eq $key } @not;
    return visit($second)->{key} eq $key ? $key : undef;
}

# 'resumed' in both directions, or what else.
sub exchange {
    my ($first, $second, $version) = @_;
    my @how;
    for ([$first, $second], [$second, $first]) {
        my $seen = visit($_->[0], version => $version);
        push @how, visit($_->[1], version => $version, session => $seen->{session})->{how};
    }
    return $how[0] eq $how[1] ? $how[0] : "@how";
}

# The same, when it is 'resumed': a machine that stands still for seconds may miss the exchange before a rotation.
sub exchange_comes {
    my @args = @_;
    my $how;
    wait_for(20, sub { $how = exchange(@args); $how eq 'resumed' });
    return $how;
}

my @stores = (
    ['memcache', 'memcached',    sub { ('-l', '127.0.0.1', '-p', $_[0], '-U', 0, '-m', 16) }],
    ['redis',    'redis-server', sub { ('--bind', '127.0.0.1', '--port', $_[0], '--save', '', '--appendonly', 'no') }],
);
for my $store (@stores) {
    my ($name, $program, $args) = @$store;
    subtest $name => sub {
        plan skip_all => "no mod_socache_$name" if !have_module("socache_$name");
        plan skip_all => "no $program" if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
        my ($port) = free_ports(1);
        my $pid = start_store($program, $port, $args->($port)) or return fail("$program does not start");
        my @servers = map { server("SSLSessionTicketKeySharing $name:127.0.0.1:$port $dir/secret", modules => ["socache_$name"]) } 1, 2;
        $_->start or return fail($_->why) for @servers;

        my $key = wait_for(60, sub { agree(@servers) });
        ok($key, 'both servers seal with the same key');
        is(exchange_comes(@servers, $_), 'resumed', "a ticket of one opens in the other, TLS $_") for '1.2', '1.3';
        my $before = visit($servers[0]);

        my $next = wait_for(60, sub { agree(@servers, $key, $before->{key}) });
        ok($next, 'after a rotation both seal with the next one');
        is(visit($servers[1], session => $before->{session})->{how}, 'resumed', '... the ticket of before opens in the other');
        is(exchange_comes(@servers, $_), 'resumed', "... as do new ones, TLS $_") for '1.2', '1.3';

        ok($servers[0]->graceful, 'a graceful restart of one');
        is(visit($servers[0], session => $before->{session})->{how}, 'resumed', '... keeps the keys');
        is(exchange_comes(@servers, '1.3'), 'resumed', '... and shares them');
        my $third = server("SSLSessionTicketKeySharing $name:127.0.0.1:$port $dir/secret", modules => ["socache_$name"]);
        $third->start or return fail($third->why);
        ok(wait_for(60, sub { agree($servers[0], $third) }), 'another server finds the keys');
        is(visit($third, session => $before->{session})->{how}, 'resumed', '... those of before, too');
        $third->stop;

        if ($name eq 'redis') {
            $_->log_mark for @servers;
            my $n = overwrite_redis($port);
            ok($n, "somebody writes into the store ($n records)");
            ok(wait_for(20, sub { grep { $_->errorlog =~ /what the store returns is no key that this farm has sealed: ignored/ } @servers }),
               '... a server says so');
            ok(wait_for(20, sub { grep { $_->errorlog =~ /keys are exchanged again/ } @servers }), '... and puts its key there');
            is(exchange_comes(@servers, '1.3'), 'resumed', '... nobody else notices');
            unlike(join('', map { $_->errorlog } @servers), qr/xxxx/, '... nor is it in the log');
        }

        $_->log_mark for @servers;
        my $lost = visit($servers[0]);
        stop_store($pid);
        ok($servers[$_]->errorlog_like(qr/the store takes no keys; going on with those that are here/, wait => 40), "$program is lost: server $_ says so")
            for 0, 1;
        my $alone = qr/of this server only, for none has come from SSLSessionTicketKeySharing/;
        my $how = exchange(@servers, '1.3');
        SKIP: {
            skip 'two rotations have passed already', 2 if grep { $_->errorlog =~ $alone } @servers;
            is($how, 'resumed', '... and goes on');
            is(visit($servers[1], session => $lost->{session})->{how}, 'resumed', '... with what there was');
        }
        ok(wait_for(90, sub { $servers[0]->errorlog =~ $alone }),
           '... until two rotations are over: then with a key of its own');
        is(visit($_)->{how}, 'full', '... and serves') for @servers;
        $pid = start_store($program, $port, $args->($port)) or return fail("$program does not start again");
        ok($servers[$_]->errorlog_like(qr/keys are exchanged again/, wait => 90), "$program is back: server $_ says so") for 0, 1;
        ok(wait_for(60, sub { agree(@servers) }), '... both seal with the same key again');
        is(exchange_comes(@servers, '1.3'), 'resumed', '... and open each other\'s tickets');
        stop_store($pid);
        ok($_->alive, 'server lives') for @servers;
    };
}

# Farms that share a store and not a secret do not disturb each other.
SKIP: {
    skip 'no redis', 3 if !have_module('socache_redis') || !grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
    key_file("$dir/another", 64);
    my ($port) = free_ports(1);
    my $pid = start_store('redis-server', $port, $stores[1][2]->($port)) or BAIL_OUT('redis-server does not start');
    my ($one, $two) = map { server("SSLSessionTicketKeySharing redis:127.0.0.1:$port $dir/$_", modules => ['socache_redis']) } 'secret', 'another';
    $_->start or BAIL_OUT($_->why) for $one, $two;
    ok($_->errorlog_like(qr/SSLSessionTicketKeySharing: a key for the 10 seconds/, wait => 40), 'another secret: it has a key') for $one, $two;
    is(exchange($one, $two, '1.3'), 'full', '... the farms do not open each other\'s tickets');
    unlike($_->errorlog, qr/no key that this farm has sealed/, '... and do not meet in the store') for $one, $two;
    stop_store($pid);
}
done_testing;
