# Graceful restarts while requests come over TLS and go on to backends over TLS: none is lost, kept SSL_CTXs and sessions are used by reloaded code.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(need);
use ModSSL::Client qw(curl);
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(pki_file);

need('nginx');
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa' }, other => { cert => 'other' });
my $metrics = is_stock() ? '' : "<Location /metrics>\nSetHandler ssl-metrics\nProxyPass !\n</Location>\n";
my $h = ModSSL::Httpd->new(modules => [qw(proxy proxy_http)], listen => ['https'], config => <<"CONF");
<VirtualHost 127.0.0.1:\@port:https\@>
    SSLEngine on
    SSLCertificateFile \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
    SSLProxyEngine on
    SSLProxyVerify require
    SSLProxyCACertificateFile \@pki\@/ca.crt
    $metrics
    ProxyPass /new/ https://localhost:@{[$backend->port('rsa')]}/ disablereuse=on retry=0
    ProxyPass /kept/ https://localhost:@{[$backend->port('rsa')]}/ retry=0
    ProxyPass /refused/ https://localhost:@{[$backend->port('other')]}/ retry=0
</VirtualHost>
CONF
$h->start or die $h->why;

# A client that asks until it is told to end; its exit status is 0 if all answers were as they should be.
sub client {
    my ($path, $status) = @_;
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    return $pid if $pid;
    my ($end, $wrong, $n) = (time + 120, 0, 0);
    local $SIG{TERM} = sub { $end = 0 };
    while (time < $end) {
        my $got = `curl -sk -o /dev/null -w '%{http_code}' --max-time 30 https://127.0.0.1:@{[$h->port('https')]}$path`;
        last if !$end && $got ne $status;
        $wrong++ if $got ne $status;
        $n++;
    }
    require POSIX;
    POSIX::_exit($wrong || !$n ? 1 : 0);
}

my %pids = map { $_->[0] => client(@$_) } (['/new/', 200], ['/kept/', 200], ['/refused/', 500], is_stock() ? () : (['/metrics', 200]));
my $restarts = 0;
for (1 .. 10) {
    $restarts += $h->graceful ? 1 : 0;
    select undef, undef, undef, 0.3;
}
is($restarts, 10, 'graceful restarts');
for my $path (sort keys %pids) {
    kill TERM => $pids{$path};
    waitpid $pids{$path}, 0;
    is($?, 0, "all requests for $path as they should be");
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
