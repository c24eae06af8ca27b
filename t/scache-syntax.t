# SSLSessionCache and SSLStaplingCache: which names and sizes are taken, and what is said of the others.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);

my $h = ModSSL::Httpd->new(minimal => 1, modules => is_stock() ? [qw(socache_shmcb socache_dbm)] : []);

# argument, what the message has to say (undef: it is accepted), and 'ours' if stock does not know it
my @cases = (
    ['none',                       undef],
    ['nonenotnull',                undef],
    ['shmcb',                      undef],
    ['shmcb:',                     undef],
    ['shmcb:/tmp/x',               undef],
    ['shmcb:relative(512000)',     undef],
    ['shmcb:(512000)',             undef],
    ['shmcb:/nonexist/x(512000)',  undef],
    ['shmcb:/tmp/x(8192)',         undef],
    ['shmcb:/tmp/x(4294967294)',   undef],
    ['shmcb:/tmp/x(4294967295)',   qr/size .*4294967295 bytes/],
    ['shmcb:/tmp/x(99999999999999999999)', qr/size .*4294967295 bytes/],
    ['shmcb:/tmp/x(-1)',           qr/size .*4294967295 bytes/],
    ['shmcb:/tmp/x(8191)',         qr/size .*8192 bytes/],
    ['shmcb:/tmp/x(0)',            qr/size .*8192 bytes/],
    ['shmcb:/tmp/x(abc)',          qr/not numerical|a number of bytes/],
    ['shmcb:/tmp/x(64k)',          qr/not numerical|a number of bytes/],
    ['shmcb:/tmp/x(512000',        qr/parenthes[ei]s/],
    ['shmcb:/tmp/x(512000)x',      qr/parenthes[ei]s/],
    ['shmcb:/tmp/x()',             qr/8192 bytes|a number of bytes/],
    ['shmcb:/tmp/x(',              qr/parenthes[ei]s/],
    ['dbm',                        undef],
    ['dbm:',                       undef],
    ['dbm:/tmp/x',                 undef],
    ['dbm:relative',               undef],
    ['dbm/sdbm:/tmp/x',            undef, 'ours'],
    ['dbm/gdbm:/tmp/x',            undef, 'ours'],
    ['dbm/nosuch:/tmp/x',          qr/nosuch/],
    ['default',                    undef],
    ['SHMCB:/tmp/x',               qr/'SHMCB'/],
    ['memcache:127.0.0.1:11211',   qr/'memcache'.*mod_socache_memcache/s],
    ['nosuch:x',                   qr/'nosuch'.*mod_socache_nosuch/s],
);
for my $directive ('SSLSessionCache', 'SSLStaplingCache') {
    for my $case (@cases) {
        my ($argument, $message, $ours) = @$case;
        next if $ours && is_stock();
        next if $directive eq 'SSLStaplingCache' && $argument =~ /^none/;
        $h->config("$directive \"$argument\"\n");
        my ($code, $output) = $h->configtest;
        if ($message) {
            ok($code != 0 && $output =~ $message && $output =~ /httpd\.conf/, "$directive $argument: refused, with the reason")
                or diag $output;
        }
        else {
            is($code, 0, "$directive $argument") or diag $output;
        }
    }
}
$h->config("<VirtualHost *:443>\nSSLSessionCache none\n</VirtualHost>\n");
my ($code, $output) = $h->configtest;
isnt($code, 0, 'not in a virtual host');
like($output, qr/cannot occur within <VirtualHost> section/, '... and why');
$h->config("Mutex file:/tmp ssl-cache\nSSLMutex none\nSSLSessionCache shmcb:\n");
is(($h->configtest)[0], is_stock() ? 1 : 0, 'Mutex and SSLMutex');
done_testing;
