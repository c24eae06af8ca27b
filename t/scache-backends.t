# Each session cache, with no other module loaded for those that are ours: a session is resumed by its id (TLS 1.2) and by a
# stateful ticket (TLS 1.3), in another process than the one that made it, and after a graceful restart.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock have_module);
use ModSSL::Client qw(:all);

my $stock_modules = is_stock() ? [qw(socache_shmcb socache_dbm)] : [];

sub server {
    my ($cache, %o) = @_;
    my $h = ModSSL::Httpd->new(minimal => 1, modules => ['dir', @$stock_modules, @{ $o{modules} || [] }],
        mpm => $o{mpm} || ModSSL::Httpd::mpm(), config => <<"CONF");
$cache
SSLSessionTickets off
DirectoryIndex index.html
SSLEngine on
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
CONF
    return $h;
}

# A connection and its one request: whether it was resumed, its session, the pid that cannot be known is not asked for.
sub visit {
    my ($h, $version, $session) = @_;
    my $s = tls_connect(port => $h->port, sni => 'localhost', version => $version, $session ? (session => $session) : ()) or return "failed: $tls_error";
    my $r = http_get($s, '/', 'localhost', close => 1);
    return 'no answer' if !$r || $r->{status} != 200;
    return (resumed($s) ? 'resumed' : 'full', session($s));
}

#   name                      directive                                       over a graceful restart
my @kinds = (
    ['shmcb, no path',        'SSLSessionCache shmcb:',                               'resumed'],
    ['shmcb, path',           'SSLSessionCache shmcb:@root@/run/cache',               'resumed'],
    ['shmcb, path and size',  'SSLSessionCache shmcb:@root@/run/cache(100000)',       'resumed'],
    ['shmcb, smallest',       'SSLSessionCache "shmcb:/nowhere/at/all(8192)"',        'resumed'],
    ['dbm',                   'SSLSessionCache dbm:@root@/run/cache',                 'resumed'],
    ['dbm, no path',          'SSLSessionCache dbm',                                  'resumed'],
    ['dbm, relative path',    'SSLSessionCache dbm:run/cache',                        'resumed'],
    ['dbm/gdbm',              'SSLSessionCache dbm/gdbm:@root@/run/cache',            'resumed', 'ours'],
    ['dbm/db',                'SSLSessionCache dbm/db:@root@/run/cache',              'resumed', 'ours'],
    ['default',               'SSLSessionCache default',                              'resumed'],
    ['none',                  'SSLSessionCache none',                                 'full'],
    ['nonenotnull',           'SSLSessionCache nonenotnull',                          'full'],
);
for my $kind (@kinds) {
    my ($name, $directive, $wanted, $ours) = @$kind;
    next if $ours && is_stock();
    subtest $name => sub {
        my $h = server($directive);
        $h->start or return fail($h->why);
        my %kept;
        for my $version ('1.2', '1.3') {
            my ($first, $session) = visit($h, $version);
            is($first, 'full', "TLS $version: the first handshake");
            is((visit($h, $version, $session))[0], $wanted, '... the second');
            $kept{$version} = (visit($h, $version))[1];
        }
        if (!is_stock()) {
            ok($h->graceful, 'graceful restart');
            is((visit($h, $_, $kept{$_}))[0], $wanted, "TLS $_: after it") for '1.2', '1.3';
        }
        # Before the end: event's main thread may look at a connection that its worker is just freeing, and fall over it.
        unlike($h->errorlog, qr/\[ssl:(?:error|emerg|crit)\]|damaged|exit signal/, 'error log');
        ok($h->stop, 'stops');
    };
}

# nonenotnull: clients get an id all the same.
for my $case (['none', 0], ['nonenotnull', 32]) {
    my ($cache, $length) = @$case;
    my $h = server("SSLSessionCache $cache");
    $h->start or die $h->why;
    my ($id) = s_client(port => $h->port, args => ['-tls1_2'], input => "GET / HTTP/1.0\r\n\r\n") =~ /Session-ID: (\w*)/;
    is(length($id || '') / 2, $length, "$cache: $length bytes of session id");
}

# Every process finds what another has stored: each of these children ends after its first connections.
for my $cache ('shmcb:@root@/run/cache(64000)', 'dbm:@root@/run/cache') {
    my $h = server("SSLSessionCache $cache\nMaxConnectionsPerChild 2", mpm => 'prefork');
    $h->start or die $h->why;
    my ($how, $session) = visit($h, '1.2');
    my @got = map { (visit($h, '1.2', $session))[0] } 1 .. 12;
    is("@got", join(' ', ('resumed') x 12), "$cache: between processes");
}

# SSLSessionCacheTimeout, per virtual host, is what clients are told and when the cache forgets.
{
    my $h = ModSSL::Httpd->new(listen => [qw(short long)], config => <<'CONF');
SSLSessionCache shmcb:@root@/run/cache(64000)
SSLSessionTickets off
SSLSessionCacheTimeout 1000
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
<VirtualHost 127.0.0.1:@port:short@>
    SSLEngine on
    SSLSessionCacheTimeout 1
</VirtualHost>
<VirtualHost 127.0.0.1:@port:long@>
    SSLEngine on
</VirtualHost>
CONF
    $h->start or die $h->why;
    my %session;
    for my $host (qw(short long)) {
        my $s = tls_connect(port => $h->port($host), version => '1.2') or BAIL_OUT($tls_error);
        http_get($s, '/', 'localhost', close => 1);
        $session{$host} = session($s);
    }
    sleep 3;
    for my $case (['short', 0], ['long', 1]) {
        my ($host, $wanted) = @$case;
        my $s = tls_connect(port => $h->port($host), version => '1.2', session => $session{$host}) or BAIL_OUT($tls_error);
        is(resumed($s), $wanted, "SSLSessionCacheTimeout, $host: " . ($wanted ? 'resumed' : 'over'));
    }
}
done_testing;
