# A session belongs to the virtual host it was made in, and to its demands on client certificates (CVE-2025-23048,
# CVE-2025-23419): with every cache, ids and tickets, TLS 1.2 and 1.3, it is resumed there and nowhere else.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

sub server {
    my ($cache, $tickets) = @_;
    return ModSSL::Httpd->new(listen => [qw(https other)], modules => [qw(socache_dbm)], config => <<"CONF");
SSLSessionCache $cache
SSLSessionTickets $tickets
SSLCertificateFile    \@pki\@/rsa.crt
SSLCertificateKeyFile \@pki\@/rsa.key
Header always set X-Verify "%{SSL_CLIENT_VERIFY}s"
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName first.test
    SSLEngine on
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName a.test
    SSLEngine on
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName b.test
    SSLEngine on
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName closed.test
    SSLEngine on
    SSLCACertificateFile \@pki\@/ca.crt
    SSLVerifyClient require
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName optional.test
    SSLEngine on
    SSLCACertificateFile \@pki\@/ca.crt
    SSLVerifyClient optional
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:other\@>
    ServerName a.test
    SSLEngine on
</VirtualHost>
CONF
}

sub visit {
    my ($h, $version, $port, $name, %o) = @_;
    my $s = tls_connect(port => $h->port($port), version => $version, sni => $name, %o) or return 'refused';
    my $r = http_get($s, '/', $name, close => 1) or return 'refused';
    return (resumed($s) ? 'resumed' : 'full', session($s), $r->{headers}{'x-verify'});
}

# made at [port, name, with a client certificate], tried at [port, name]: what becomes of it
my @cases = (
    [['https', 'a.test'],           ['https', 'a.test'],        'resumed'],
    [['https', 'a.test'],           ['https', 'b.test'],        'full'],
    [['https', 'a.test'],           ['https', 'first.test'],    'full'],
    [['https', 'first.test'],       ['https', 'a.test'],        'full'],
    [['https', 'a.test'],           ['other', 'a.test'],        'full', 'ours'],
    [['https', 'a.test'],           ['https', 'optional.test'], 'full'],
    [['https', 'a.test'],           ['https', 'closed.test'],   'refused'],
    [['https', 'optional.test'],    ['https', 'closed.test'],   'refused'],
    [['https', 'optional.test', 1], ['https', 'closed.test'],   'refused'],
    [['https', 'closed.test', 1],   ['https', 'closed.test'],   'resumed'],
    [['https', 'closed.test', 1],   ['https', 'optional.test'], 'full'],
    [['https', 'closed.test', 1],   ['https', 'a.test'],        'full'],
);

my @kinds = (['shmcb:@root@/run/cache', 'off'], ['dbm:@root@/run/cache', 'off'], ['shmcb:@root@/run/cache', 'on'],
             ['none', 'on']);
for my $kind (@kinds) {
    my ($cache, $tickets) = @$kind;
    next if is_stock() && $cache =~ /^dbm/;    # its DBM cache does not find sessions with a client certificate again
    my $h = server($cache, $tickets);
    $h->start or die $h->why;
    for my $version ('1.2', '1.3') {
        for my $case (@cases) {
            my ($made, $tried, $wanted, $ours) = @$case;
            next if $ours && is_stock();    # stock takes the same name on another port for the same host
            my ($how, $session) = visit($h, $version, @$made[0, 1], $made->[2] ? (client => 'client') : ());
            my $what = "$cache, tickets $tickets, TLS $version: made in @$made[0, 1]" . ($made->[2] ? ' with a certificate' : '');
            is($how, 'full', "$what: made") or next;
            my ($result, undef, $verify) = visit($h, $version, @$tried, session => $session);
            is($result, $wanted, "... tried in @$tried: $wanted");
            # A name without a certificate of its own must not inherit the other host's.
            is($verify, 'NONE', '... and nobody is known there') if $wanted eq 'full';
        }
    }
}
done_testing;
