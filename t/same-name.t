# Two virtual hosts with one name at one address: the server starts, the first of them serves, and (ours) the log says
# which line hides which.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

sub vhost {
    my ($cert, $names, $port) = @_;
    $port ||= 'https';
    return <<"CONF";
<VirtualHost 127.0.0.1:\@port:$port\@>
    $names
    SSLEngine on
    SSLCertificateFile    \@pki\@/$cert.crt
    SSLCertificateKeyFile \@pki\@/$cert.key
    Header always set X-Vhost $cert
</VirtualHost>
CONF
}

sub server {
    my ($config) = @_;
    my $h = ModSSL::Httpd->new(listen => [qw(https second)], config => $config);
    $h->start or die $h->why;
    return $h;
}

sub who {
    my ($h, $name, $port) = @_;
    my $s = tls_connect(port => $h->port($port || 'https'), sni => $name) or return "refused: $tls_error";
    my $r = http_get($s, '/', $name, close => 1);
    return peer_cn($s) . ' ' . ($r && $r->{headers}{'x-vhost'} || 'no answer');
}

# A warning on one line that names two places of definition, "httpd.conf:LINE", and the name they share
sub warns {
    my ($h, $name) = @_;
    for my $line (grep { /\[ssl:warn\]/ && /\Q$name\E/i } split /\n/, $h->errorlog) {
        my %places = map { $_ => 1 } $line =~ /httpd\.conf:(\d+)/g;
        return join ' ', sort { $a <=> $b } keys %places if keys %places >= 2;
    }
    return '';
}

# The lines of the configuration on which <VirtualHost stands
sub lines_of {
    my ($h) = @_;
    my ($number, @found) = 0;
    for (split /\n/, ModSSL::PKI::slurp($h->root . '/conf/httpd.conf')) {
        $number++;
        push @found, $number if /^<VirtualHost/;
    }
    return @found;
}

for my $case (
    ['the same ServerName',            'ServerName x.test', 'ServerName x.test', 'x.test'],
    ['the same in another case',       'ServerName x.test', 'ServerName X.TEST', 'x.test'],
    ['with and without the port',      'ServerName x.test', 'ServerName x.test:@port:https@', 'x.test'],
) {
    my ($name, $first, $second, $shared) = @$case;
    subtest $name => sub {
        my $h = server(vhost('rsa', 'ServerName default.test') . vhost('a', $first) . vhost('b', $second) . vhost('c', 'ServerName c.test'));
        is(who($h, 'x.test'), 'a.test a', 'the first serves');
        is(who($h, 'c.test'), 'c.test c', 'others are found');
        SKIP: {
            skip 'the stock module says nothing of it', 1 if is_stock();
            my @lines = lines_of($h);
            is(warns($h, $shared), "$lines[1] $lines[2]", 'the log names both places');
        }
    };
}

subtest 'no names shared: no warning' => sub {
    my $h = server(vhost('rsa', 'ServerName default.test') . vhost('a', 'ServerName x.test') . vhost('b', 'ServerName y.test')
                 . vhost('c', 'ServerName x.test', 'second'));
    is(who($h, 'x.test'), 'a.test a', 'on one port');
    is(who($h, 'x.test', 'second'), 'c.test c', 'on the other');
    is(warns($h, 'x.test'), '', 'the same name on two ports is nothing to warn of');
};

done_testing;
