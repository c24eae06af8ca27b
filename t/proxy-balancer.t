# A balancer over https members: all are used, one that is refused or gone is left out, health checks speak TLS as requests do.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(wait_for free_ports);

need('nginx');
my $backend = ModSSL::Backend->nginx(map({ $_ => { cert => 'rsa' } } qw(one two)), bad => { cert => 'other' });
my $members = sub { join '', map { 'BalancerMember https://localhost:' . (/^\d+$/ ? $_ : $backend->port($_)) . " $_[0]\n" } @_[1 .. $#_] };
my ($nobody) = free_ports(1);
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca.crt\n";
my $h = front(modules => [qw(proxy_balancer lbmethod_byrequests slotmem_shm proxy_hcheck)], hosts => {
    both   => "<Proxy balancer://both>\n" . $members->('', qw(one two)) . "</Proxy>\nProxyPass / balancer://both/",
    gone   => "<Proxy balancer://gone>\n" . $members->('', 'one', $nobody) . "</Proxy>\nProxyPass / balancer://gone/",
    refuse => "${require}<Proxy balancer://refuse>\n" . $members->('retry=60', 'one', 'bad') . "ProxySet failonstatus=500\n</Proxy>\nProxyPass / balancer://refuse/",
    inside => "<Proxy balancer://inside>\n" . $members->('', 'bad') . "$require</Proxy>\nProxyPass / balancer://inside/",
    check  => "${require}ProxyHCExpr ok {%{REQUEST_STATUS} =~ /^200/}\n<Proxy balancer://check>\n"
        . $members->('hcmethod=GET hcuri=/ hcinterval=1 hcexpr=ok hcpasses=1 hcfails=1', 'one', 'bad') . "</Proxy>\nProxyPass / balancer://check/",
}, main => "ProxyHCTPsize 2\n");
$h->start or die $h->why;

my %seen;
$seen{ via($h, 'both')->{seen}{name} || '?' }++ for 1 .. 10;
is_deeply(\%seen, { one => 5, two => 5 }, 'both members in turn');
is(via($h, 'gone')->{status}, 200, 'one that does not listen is left out') for 1 .. 4;
is(via($h, 'inside')->{status}, 500, 'SSLProxyVerify in the balancer\'s section');

my @status = map { via($h, 'refuse')->{status} } 1 .. 6;
cmp_ok(scalar(grep { $_ == 500 } @status), '<=', 1, 'failonstatus: the refused member has one request at most');
is("@status[2 .. 5]", '200 200 200 200', '... the others are served');
my $down = wait_for(20, sub { my $log = $h->errorlog; $log =~ /Health check DISABLING https:\/\/localhost:@{[ $backend->port('bad') ]}/ });
ok($down, 'the health check takes the refused member out');
is(join(' ', map { via($h, 'check')->{seen}{name} || '?' } 1 .. 4), 'one one one one', '... and requests go to the other');
unlike($h->errorlog, qr/DISABLING https:\/\/localhost:@{[ $backend->port('one') ]}/, 'the good one stays');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
