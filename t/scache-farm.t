# Two servers that share sessions through memcached or redis (httpd's own modules). If that is lost, clients make full
# handshakes and notice nothing else; when it is back, sessions are resumed again.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(have_module free_ports wait_for);
use ModSSL::Client qw(:all);
use ModSSL::Store qw(start_store stop_store);

#   name of the cache, program, its arguments for a port
my @stores = (
    ['memcache', 'memcached',    sub { ('-l', '127.0.0.1', '-p', $_[0], '-U', 0, '-m', 16) }],
    ['redis',    'redis-server', sub { ('--bind', '127.0.0.1', '--port', $_[0], '--save', '', '--appendonly', 'no') }],
);

sub server {
    my ($cache) = @_;
    my ($module) = $cache =~ /^(\w+):/;
    my $h = ModSSL::Httpd->new(modules => ["socache_$module"], config => <<"CONF");
SSLSessionCache $cache
SSLSessionTickets off
ServerName farm.test:443
SSLEngine on
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
CONF
    return $h;
}

sub visit {
    my ($h, $version, $session) = @_;
    my $s = tls_connect(port => $h->port, version => $version, $session ? (session => $session) : ()) or return "failed: $tls_error";
    my $r = http_get($s, '/', 'localhost', close => 1);
    return 'no answer' if !$r || $r->{status} != 200;
    return (resumed($s) ? 'resumed' : 'full', session($s));
}

sub made_and_tried {
    my ($first, $second, $version) = @_;
    my ($how, $session) = visit($first, $version);
    return $how if $how ne 'full';
    return (visit($second, $version, $session))[0];
}

for my $store (@stores) {
    my ($name, $program, $args) = @$store;
    subtest $name => sub {
        plan skip_all => "no mod_socache_$name" if !have_module("socache_$name");
        plan skip_all => "no $program" if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
        my ($port) = free_ports(1);
        my $pid = start_store($program, $port, $args->($port)) or return fail("$program does not start");
        # The virtual host's name and port are part of a session; ServerName gives both.
        my ($first, $second) = map { server("$name:127.0.0.1:$port") } 1, 2;
        $_->start or return fail($_->why) for $first, $second;

        for my $version ('1.2', '1.3') {
            is(made_and_tried($first, $first, $version), 'resumed', "TLS $version: in the same server");
            is(made_and_tried($first, $second, $version), 'resumed', '... in the other');
            is(made_and_tried($second, $first, $version), 'resumed', '... and the other way round');
        }
        my ($how, $session) = visit($first, '1.2');
        stop_store($pid);
        for my $n (1 .. 3) {
            is((visit($first, '1.2', $session))[0], 'full', "$program is lost: a full handshake ($n)");
            is((visit($first, '1.3'))[0], 'full', '... TLS 1.3');
        }
        $pid = start_store($program, $port, $args->($port)) or return fail("$program does not start again");
        # The modules try a server that was lost again after a while.
        ok(wait_for(40, sub { made_and_tried($first, $first, '1.2') eq 'resumed' }), "$program is back: resumed");
        stop_store($pid);
        ok($_->alive, 'the server lives') for $first, $second;
    };
}
done_testing;
