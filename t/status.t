# mod_status: what the stock module's section on the session cache has in ?auto is in ours, too, and means the same; ours adds
# what was counted of handshakes.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

my $h = ModSSL::Httpd->new(listen => ['https', 'plain'], config => <<'CONF');
SSLSessionTickets off
SSLSessionCache "shmcb:@root@/run/cache(100000)"
<Location /server-status>
    SetHandler server-status
</Location>
<VirtualHost 127.0.0.1:@port:https@>
    SSLEngine on
    SSLCertificateFile    @pki@/ecdsa.crt
    SSLCertificateKeyFile @pki@/ecdsa.key
</VirtualHost>
CONF
$h->start or die $h->why;

# Over plain HTTP: asking changes nothing in the cache.
sub status {
    my ($query) = @_;
    my $r = http_get(raw_connect($h->port('plain')), "/server-status$query", 'localhost', close => 1);
    return $r && $r->{status} == 200 ? $r->{body} : '';
}

my @sessions;
for (1 .. 3) {
    my $s = tls_connect(port => $h->port, version => '1.2') or die $tls_error;
    http_get($s, '/', 'localhost', close => 1);
    push @sessions, session($s);
}
for my $session (@sessions[0, 1]) {
    my $s = tls_connect(port => $h->port, version => '1.2', session => $session) or die $tls_error;
    http_get($s, '/', 'localhost', close => 1);
}

my $auto = status('?auto');
like($auto, qr/^TLSSessionCacheStatus$/m, '?auto: the section begins as it does with the stock module');
my %got = $auto =~ /^((?:Cache|TLS)\S+): (.*)/mg;

#   key                       value: the same under both
my %both = (
    CacheType                 => qr/^SHMCB$/,
    CacheSharedMemory         => qr/^100000$/,
    CacheCurrentEntries       => qr/^3$/,
    CacheSubcaches            => qr/^\d+$/,
    CacheIndexesPerSubcaches  => qr/^\d+$/,
    CacheTimeLeftOldestAvg    => qr/^\d+$/,
    CacheTimeLeftOldestMin    => qr/^\d+$/,
    CacheTimeLeftOldestMax    => qr/^\d+$/,
    CacheIndexUsage           => qr/^\d+%$/,
    CacheUsage                => qr/^\d+%$/,
    CacheStoreCount           => qr/^3$/,
    CacheReplaceCount         => qr/^0$/,
    CacheExpireCount          => qr/^0$/,
    CacheDiscardCount         => qr/^0$/,
    CacheRetrieveHitCount     => qr/^2$/,
    CacheRetrieveMissCount    => qr/^0$/,
    CacheRemoveHitCount       => qr/^0$/,
    CacheRemoveMissCount      => qr/^0$/,
);
like($got{$_}, $both{$_}, "?auto: $_") for sort keys %both;
is(join(' ', grep { !exists $both{$_} } sort keys %got), '', 'the stock module has no others') if is_stock();
like(status(''), qr{SSL/TLS.*shared memory: <b>100000</b> bytes, current entries: <b>3</b>}s, 'HTML: a section, too');

SKIP: {
    skip 'only ours counts handshakes', 8 if is_stock();
    my %ours = (
        'TLSHandshakes.TLSv1.2.full'               => 3,
        'TLSHandshakes.TLSv1.2.resumed'            => 2,
        'TLSHandshakes.TLSv1.3.full'               => 0,
        'TLSHandshakeFailures.no_shared_cipher'    => 0,
        'TLSSessionCacheOperations.store.done'     => 3,
        'TLSSessionCacheOperations.retrieve.hit'   => 2,
        CacheLockWaitCount                         => 0,
    );
    is($got{$_}, $ours{$_}, "?auto: $_") for sort keys %ours;
    like(status(''), qr{<td>TLSv1.2 resumed</td><td align="right"><b>2</b></td>}, 'HTML: handshakes');
}
done_testing;
