# SSLSessionTicketKeyRotation: keys of session tickets without a file change by time, in all children at once; tickets of
# the old key still open until the sessions' time is over; restarts keep the keys.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::Ticket qw(visit);
ours_only('stock makes new keys at each restart and at no other time');

my @VERSIONS = ('1.2', '1.3');

sub config_with {
    my ($lines) = @_;
    return <<"END";
$lines
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
CustomLog \@root\@/logs/pids %P
<VirtualHost *:\@port:https\@>
    ServerName www.test
    SSLEngine on
</VirtualHost>
END
}

sub server { my ($lines) = @_; return ModSSL::Httpd->new(config => config_with($lines)) }
sub start { my ($h) = @_; $h->start or BAIL_OUT($h->why); return $h }

# --- the directive --------------------------------------------------------------------------------

my @VALUES = (
    ['off', 1], ['OFF', 1], ['0', 1], ['1', 1], ['43200', 1], ['12h', 1], ['30min', 1], ['5000ms', 1],
    ['-1', 0], ['x', 0], ['', 0], ['10ms', 0], ['12 h', 0], ['99999999999', 0], ['h', 0],
);
for (@VALUES) {
    my ($value, $taken) = @$_;
    my ($status, $out) = server("SSLSessionTicketKeyRotation $value")->configtest;
    is($status ? 0 : 1, $taken, "SSLSessionTicketKeyRotation $value: " . ($taken ? 'taken' : 'refused')) or diag($out);
    like($out, qr/SSLSessionTicketKeyRotation(: invalid argument '\Q$value\E'| takes one argument)/, '... and why') if !$taken;
}
{
    my ($status, $out) = server("<VirtualHost *:1>\nSSLSessionTicketKeyRotation 1h\n</VirtualHost>")->configtest;
    like($out, qr/SSLSessionTicketKeyRotation/, 'not in a virtual host');
}
{
    my $h = start(server("SSLSessionTicketKeyRotation 1\nSSLSessionCacheTimeout 100000"));
    like($h->errorlog, qr/SSLSessionTicketKeyRotation: with an SSLSessionCacheTimeout of 100000 seconds .* 404 seconds are used/,
         'more keys than there is room for: a warning');
}

# --- rotation -------------------------------------------------------------------------------------

my %MANY = (
    event   => "ThreadsPerChild 2\nServerLimit 16\nThreadLimit 2\nStartServers 5\nMaxRequestWorkers 10\nMinSpareThreads 8\nMaxSpareThreads 10",
    prefork => "StartServers 5\nMinSpareServers 4\nMaxSpareServers 8\nMaxRequestWorkers 10",
);
my $many = $MANY{ ModSSL::Httpd::mpm() eq 'prefork' ? 'prefork' : 'event' };

# One visit after the other: whatever child serves it, a key that was seen to be given up does not come back, and the
# first ticket opens.
for my $version (@VERSIONS) {
    my $h = start(server("$many\nSSLSessionTicketKeyRotation 2\nSSLSessionCacheTimeout 300"));
    my $first = visit($h, version => $version);
    my (@keys, %times, %pids, %how);
    my $enough = wait_for(60, sub {
        my $seen = visit($h, version => $version);
        if (!@keys || $keys[-1] ne $seen->{key}) {
            push @keys, $seen->{key};
            $times{ $seen->{key} }++;
        }
        $how{ visit($h, version => $version, session => $first->{session})->{how} }++;
        %pids = map { $_ => 1 } split ' ', $h->accesslog('pids');
        return @keys >= 4 && keys %pids >= 3;
    });
    ok($enough, "TLS $version: four keys one after the other, " . keys(%pids) . ' children');
    is_deeply([grep { $_ > 1 } values %times], [], '... each for one time');
    is_deeply([keys %how], ['resumed'], '... and the first ticket opens all the time, in all children');

    my $renewed = visit($h, version => $version, session => $first->{session});
    isnt($renewed->{key}, $first->{key}, '... and the client gets one of the new key');
    ok($h->alive, '... server lives');
}

# Tickets of the old key are refused when the sessions' time is over; nobody has to come for that and for rotation.
{
    my $h = start(server("SSLSessionTicketKeyRotation 1\nSSLSessionCacheTimeout 3"));
    my $first = visit($h);
    ok(wait_for(30, sub { visit($h, session => $first->{session})->{how} eq 'full' }), 'the old ticket is refused at last');
    $h->log_mark;
    ok($h->errorlog_like(qr/a new key seals session tickets/, wait => 40), 'without visitors the key changes as well');
    is(visit($h)->{how}, 'full', '... and the next one is served');
}

# --- restarts -------------------------------------------------------------------------------------

for my $line ('', 'SSLSessionTicketKeyRotation off') {
    my $name = $line || 'without directive';
    my $h = start(server($line));
    my %first = map { $_ => visit($h, version => $_) } @VERSIONS;
    for my $event ('graceful', 'graceful', 'restart') {
        ok($h->$event, "$name: $event");
        for my $version (@VERSIONS) {
            my $seen = visit($h, version => $version, session => $first{$version}{session});
            is($seen->{how}, 'resumed', "... TLS $version: the ticket opens");
            is(visit($h, version => $version)->{key}, $first{$version}{key}, '... and its key is in use');
        }
    }
    ok($h->stop && $h->start, "$name: stop and start");
    is(visit($h, version => $_, session => $first{$_}{session})->{how}, 'full', "... TLS $_: the key is another") for @VERSIONS;
}

# Another rotation after a graceful restart is that of the keys that are there.
{
    my $h = start(server(''));
    my $first = visit($h);
    $h->config(config_with('SSLSessionTicketKeyRotation 2'));
    ok($h->graceful, 'SSLSessionTicketKeyRotation comes with a graceful restart') or diag($h->why);
    my $seen;
    ok(wait_for(30, sub { $seen = visit($h, session => $first->{session}); $seen->{key} ne $first->{key} }), '... the key changes');
    is($seen->{how}, 'resumed', '... and the ticket of before opens');
}

# A child that is killed does not keep the others from anything.
{
    my $h = start(server("$many\nSSLSessionTicketKeyRotation 1\nSSLSessionCacheTimeout 200"));
    my $first = visit($h);
    my %keys;
    my $enough = wait_for(60, sub {
        my @children = grep { $_ != $h->pid } $h->pids;
        kill 'KILL', $children[rand @children] if @children && rand() < 0.3;
        my $seen = visit($h, session => $first->{session});
        $keys{ $seen->{key} } = 1 if $seen->{key};
        return keys %keys >= 5;
    });
    ok($enough, 'children killed all the time: keys change');
    is(visit($h, session => $first->{session})->{how}, 'resumed', '... and the first ticket opens');
}
done_testing;
